import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname } from 'node:path';
import { type DetachOptions, spawnDetached } from '../host/exec.ts';
import { identify, isAlive, type ProcessIdentity } from '../host/process.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { ProcessPlan } from './plan.ts';

/** The identity in a process's pid file, if that very process still runs. */
export function runningProcess(plan: ProcessPlan): ProcessIdentity | undefined {
  const identity = readPidFile(plan.pidFile);
  return identity && isAlive(identity) ? identity : undefined;
}

function readPidFile(path: string): ProcessIdentity | undefined {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity;
    return Number.isInteger(pid) && pid > 1 ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}

/** Starts a process unless it runs; true when it was started. */
export function startProcess(plan: ProcessPlan, options: Omit<DetachOptions, 'logFile'>): boolean {
  if (runningProcess(plan)) return false;
  for (const file of [plan.logFile, plan.pidFile]) mkdirSync(dirname(file), { recursive: true });
  const pid = spawnDetached({ ...options, logFile: plan.logFile });
  writeFileSync(plan.pidFile, JSON.stringify(identify(pid) ?? { pid, startTime: '' }));
  return true;
}

export interface WaitOptions {
  /** What is waited for, as the error names it. */
  what: string;
  /** Resolves with true once it is there. */
  check: () => Promise<boolean> | boolean;
  /** The process without which waiting is vain. */
  process: ProcessPlan;
  clock: Clock;
  timeoutMs: number;
  /** Between two checks. */
  pollMs?: number;
  signal: AbortSignal;
}

const POLL_MS = 10;

/** Throws with the end of the process's log when it dies, or when the time is over. */
export async function waitFor(options: WaitOptions): Promise<void> {
  const { clock, process, what } = options;
  const deadline = clock.now() + options.timeoutMs;
  while (!(await options.check())) {
    if (!runningProcess(process)) throw new Error(`${what}: the process ended\n${logTail(process.logFile)}`);
    if (clock.now() > deadline)
      throw new Error(`${what}: not there after ${options.timeoutMs / 1000} s\n${logTail(process.logFile)}`);
    await sleep(clock, options.pollMs ?? POLL_MS, options.signal);
  }
}

const TAIL_LINES = 15;

/** The last lines of a log file, and where it is. */
export function logTail(file: string): string {
  if (!existsSync(file)) return `(no log at ${file})`;
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES);
  return [`Last lines of ${file}:`, ...lines.map((line) => `  ${line}`)].join('\n');
}

export function forgetProcess(plan: ProcessPlan): void {
  rmSync(plan.pidFile, { force: true });
}

/** A listening socket of this network namespace, to be inherited by a process of another one. */
export interface InheritedSocket {
  readonly fd: number;
  /** Closes this process's copy. */
  close(): void;
}

/** Throws with the port's number when it is taken. */
export function listenForChild(port: number): Promise<InheritedSocket> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(taken ? new Error(`port ${port} of 127.0.0.1 is taken: choose another with --port`) : error);
    });
    server.listen({ host: '127.0.0.1', port, backlog: 511 }, () =>
      resolve({ fd: descriptorOf(server), close: () => server.close() }),
    );
  });
}

/** Node has no public way to the descriptor of a server. */
function descriptorOf(server: Server): number {
  const handle = (server as unknown as { _handle?: { fd?: number } })._handle;
  if (handle?.fd === undefined || handle.fd < 0) throw new Error('this Node does not tell the descriptor of a socket');
  return handle.fd;
}
