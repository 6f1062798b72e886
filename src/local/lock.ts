import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { identify, isAlive, type ProcessIdentity } from '../host/process.ts';

/**
 * Runs `work` while no other process does the same under this lock. Throws when one does; a lock whose process is gone is
 * taken over.
 */
export async function withLock<T>(file: string, ownPid: number, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const holder = readHolder(file);
  if (holder && isAlive(holder)) throw new Error(`process ${holder.pid} is starting or stopping this cluster`);
  rmSync(file, { force: true });
  writeFileSync(file, JSON.stringify(identify(ownPid)), { flag: 'wx' });
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function readHolder(file: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
