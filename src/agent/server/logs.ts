import { createReadStream, type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Clock } from '../../lib/clock.ts';

export interface LogOptions {
  readonly tailLines?: number;
  /** Only lines from this time on, ms since the epoch. */
  readonly sinceMs?: number;
  readonly timestamps: boolean;
  readonly follow: boolean;
  readonly limitBytes?: number;
  readonly clock: Clock;
  /** Calls back when something in a directory changes; `fs.watch` but in tests. */
  readonly watch?: Watch;
  /** Ends following: the container has ended, or the client is gone. */
  readonly signal: AbortSignal;
}

type Watch = (directory: string, onChange: () => void) => Pick<FSWatcher, 'close'>;

/** A line of a CRI log file: time, stream, `F`ull or `P`artial, text. */
export function parseLogLine(line: string): { time: string; partial: boolean; text: string } | undefined {
  const match = /^(\S+) (?:stdout|stderr) (\S+) (.*)$/s.exec(line);
  return match ? { time: match[1]!, partial: match[2]!.startsWith('P'), text: match[3]! } : undefined;
}

/** A container's log as `kubectl logs` wants it. */
export async function* readLog(path: string, options: LogOptions): AsyncGenerator<string> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const line of selectLines(path, options)) {
    const text = format(line, options);
    if (text === undefined) continue;
    const bytes = Buffer.from(text);
    if (bytes.length >= left) {
      yield bytes.subarray(0, left).toString();
      return;
    }
    left -= bytes.length;
    yield text;
  }
}

function format(line: string, options: LogOptions): string | undefined {
  const entry = parseLogLine(line);
  if (!entry) return undefined;
  if (options.sinceMs !== undefined && Date.parse(entry.time) < options.sinceMs) return undefined;
  const prefix = options.timestamps ? `${entry.time} ` : '';
  return `${prefix}${entry.text}${entry.partial ? '' : '\n'}`;
}

async function* selectLines(path: string, options: LogOptions): AsyncGenerator<string> {
  const end = (await stat(path)).size;
  const present = linesOf(path, { start: 0, end });
  if (options.tailLines === undefined) yield* present;
  else yield* await lastLines(present, options.tailLines);
  if (options.follow) yield* followLines(path, { ...options, start: end });
}

async function* linesOf(path: string, range: { start: number; end: number }): AsyncGenerator<string> {
  if (range.end <= range.start) return;
  const stream = createReadStream(path, { start: range.start, end: range.end - 1 });
  yield* createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
}

/** Counts whole lines: the parts of a long one belong together. */
async function lastLines(lines: AsyncIterable<string>, count: number): Promise<string[]> {
  const kept: string[][] = [];
  let current: string[] = [];
  for await (const line of lines) {
    current.push(line);
    if (parseLogLine(line)?.partial) continue;
    kept.push(current);
    current = [];
    if (kept.length > count) kept.shift();
  }
  return kept.flat().slice(count === 0 ? Number.POSITIVE_INFINITY : 0);
}

interface FollowOptions extends Pick<LogOptions, 'signal' | 'clock' | 'watch'> {
  readonly start: number;
}

async function* followLines(path: string, at: FollowOptions): AsyncGenerator<string> {
  const changes = new ChangeWaiter(path, at);
  let file = await open(path);
  let position = at.start;
  let rest = '';
  try {
    for (;;) {
      const ended = at.signal.aborted;
      const { bytesRead, buffer } = await file.read({ position });
      if (bytesRead > 0) {
        position += bytesRead;
        const parts = (rest + buffer.toString('latin1', 0, bytesRead)).split('\n');
        rest = parts.pop()!;
        for (const part of parts) yield Buffer.from(part, 'latin1').toString();
        continue;
      }
      const next = await successor(path, file);
      if (next) {
        await file.close();
        [file, position, rest] = [next, 0, ''];
      } else if (ended) return;
      else await changes.next();
    }
  } finally {
    changes.close();
    await file.close();
  }
}

/** The file that took the name of one that was moved away, if there is one. */
async function successor(path: string, file: FileHandle): Promise<FileHandle | undefined> {
  const [now, mine] = await Promise.all([stat(path).catch(() => undefined), file.stat()]);
  return now && now.ino !== mine.ino ? open(path) : undefined;
}

const LOOK_MS = 300;

/** Resolves when a file may have grown, or given its name to another, since the last time. */
class ChangeWaiter {
  /** Undefined when the kernel has no watch left to give (`fs.inotify.max_user_watches`): then it is looked now and then. */
  readonly #watcher: Pick<FSWatcher, 'close'> | undefined;
  readonly #clock: Clock;
  #changed = false;
  #wake: () => void = () => {};

  constructor(path: string, { signal, clock, watch: start = watch }: FollowOptions) {
    this.#clock = clock;
    this.#watcher = tryWatch(() => start(dirname(path), () => this.#notify()));
    signal.addEventListener('abort', () => this.#notify(), { once: true });
  }

  async next(): Promise<void> {
    if (!this.#changed) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const cancel = this.#watcher ? undefined : this.#clock.after(LOOK_MS, this.#wake);
      await woken;
      cancel?.();
    }
    this.#changed = false;
  }

  close(): void {
    this.#watcher?.close();
  }

  #notify(): void {
    this.#changed = true;
    this.#wake();
  }
}

function tryWatch<T>(start: () => T): T | undefined {
  try {
    return start();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EMFILE' || code === 'ENFILE') return undefined;
    throw error;
  }
}
