import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem, type } from 'node:os';

/** What figures were measured on: they mean nothing without it. */
export function describeMachine(): string {
  const [cpu] = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  return `${cpus().length} × ${cpu?.model.trim() || arch()}, ${memory}, ${osName()}, ${type()} ${release()}, Node ${process.version}`;
}

function osName(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? type();
  } catch {
    return type();
  }
}

/** The value below which `share` (0 to 1) of the samples lie. NaN without samples. */
export function quantile(samples: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Milliseconds that `work` takes. */
export async function timeMs(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Resident memory of a process in bytes; this one's by default. */
export function residentBytes(pid: number = process.pid): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return Number(kib) * 1024;
}

/** Bytes of this process's objects that are in use, after a collection: {@link startProcess} allows that. */
export function liveBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** A part of a benchmark in a process of its own, asked by message, so that load and server do not share a thread. */
export interface BenchProcess {
  readonly pid: number;
  /** Sends `message` and resolves with the next message that comes back. */
  ask<T>(message: unknown): Promise<T>;
  stop(): Promise<void>;
}

/** Starts `file` (a path beside this one) with `args`; it must answer each message with one. */
export function startProcess(file: string, args: readonly string[] = []): BenchProcess {
  const child = fork(new URL(file, import.meta.url), args, { execArgv: ['--expose-gc'] });
  return {
    pid: child.pid!,
    ask: async <T>(message: unknown) => {
      const answer = Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${code}`))),
      ]);
      child.send(message as object);
      return (await answer)[0] as T;
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill();
      await exit;
    },
  };
}

/** The other side of {@link startProcess}: answers each message with what `handle` returns. */
export function answerMessages(handle: (message: never) => unknown): void {
  process.on('message', (message) => {
    void Promise.resolve(handle(message as never)).then((answer) => process.send?.(answer ?? null));
  });
  process.on('disconnect', () => process.exit());
}
