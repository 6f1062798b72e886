import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { identify, isAlive, type ProcessIdentity } from '../host/process.ts';
import { type Clock, sleep } from '../lib/clock.ts';

export interface LockOptions {
  readonly file: string;
  readonly ownPid: number;
  /** Told to who finds it taken: `cluster dev is being started or stopped`. */
  readonly busy: string;
  /** With it, a taken lock is waited for. */
  readonly wait?: { readonly clock: Clock; readonly signal: AbortSignal };
}

const POLL_MS = 100;

/**
 * Runs `work` while no other process does the same under this lock. Throws when one does, unless it is to be waited for; a
 * lock whose process is gone is taken over.
 */
export async function withLock<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
  const { file, busy, wait } = options;
  mkdirSync(dirname(file), { recursive: true });
  for (let holder = takeLock(options); holder; holder = takeLock(options)) {
    if (!wait) throw new Error(`${busy} by process ${holder.pid}`);
    await sleep(wait.clock, POLL_MS, wait.signal);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** The living holder of the lock; undefined when it is ours now. */
function takeLock({ file, ownPid }: LockOptions): ProcessIdentity | undefined {
  const holder = readHolder(file);
  if (holder && isAlive(holder)) return holder;
  rmSync(file, { force: true });
  try {
    writeFileSync(file, JSON.stringify(identify(ownPid)), { flag: 'wx' });
    return undefined;
  } catch (error) {
    // Another process was quicker.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return readHolder(file) ?? { pid: 0, startTime: '' };
    throw error;
  }
}

function readHolder(file: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
