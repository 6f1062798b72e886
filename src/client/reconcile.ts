import { isConflict } from '../api/errors.ts';
import { type Backoff, createBackoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';

/** Done, or again after a while. */
// biome-ignore lint/suspicious/noConfusingVoidType: a reconcile that is done returns nothing
export type Outcome = void | { readonly again: number };

/** Brings one named thing into its desired state, reading everything fresh. A throw is tried again with back-off. */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<Outcome>;

/** Thrown by a reconcile that trying again can't help. */
export class Terminal extends Error {
  override name = 'Terminal';
}

export interface ControllerOptions {
  name: string;
  reconcile: Reconcile;
  /** Keys that are worked on at once; one key is never worked on twice at once. */
  workers?: number;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

export interface Controller {
  enqueue(key: string): void;
  enqueueAfter(key: string, delayMs: number): void;
  /** Resolves when nothing is queued or running. */
  idle(): Promise<void>;
}

/** The loop of every controller: names in, each reconciled until it is done. */
export function startController(options: ControllerOptions): Controller {
  const loop = new Loop(options);
  options.signal.addEventListener('abort', () => loop.stop(), { once: true });
  return loop;
}

class Loop implements Controller {
  readonly #options: ControllerOptions;
  readonly #queued = new Set<string>();
  readonly #running = new Set<string>();
  /** Keys that came again while they ran. */
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, () => void>();
  readonly #backoffs = new Map<string, Backoff>();
  #waiting: (() => void)[] = [];
  #scheduled = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  enqueue(key: string): void {
    if (this.#options.signal.aborted) return;
    if (this.#running.has(key)) this.#again.add(key);
    else this.#queued.add(key);
    this.#schedule();
  }

  enqueueAfter(key: string, delayMs: number): void {
    if (this.#options.signal.aborted) return;
    this.#timers.get(key)?.();
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(key);
      this.enqueue(key);
    });
    this.#timers.set(key, cancel);
  }

  idle(): Promise<void> {
    if (this.#queued.size === 0 && this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#queued.clear();
  }

  /** Starts work in the next turn, so that a burst of events folds into one run. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#startWorkers();
    });
  }

  #startWorkers(): void {
    for (const key of this.#queued) {
      if (this.#running.size >= (this.#options.workers ?? 4)) return;
      this.#queued.delete(key);
      this.#running.add(key);
      void this.#work(key);
    }
  }

  async #work(key: string): Promise<void> {
    const { reconcile, signal } = this.#options;
    try {
      const outcome = await reconcile(key, signal);
      this.#backoffs.delete(key);
      if (outcome) this.enqueueAfter(key, outcome.again);
    } catch (error) {
      this.#failed(key, error);
    }
    this.#running.delete(key);
    if (this.#again.delete(key)) this.#queued.add(key);
    this.#startWorkers();
    if (this.#queued.size > 0 || this.#running.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #failed(key: string, error: unknown): void {
    const { name, log, signal, random } = this.#options;
    if (signal.aborted) return;
    if (error instanceof Terminal) return log.error('reconcile failed for good', { controller: name, key, error });
    const backoff = this.#backoffs.get(key) ?? createBackoff({ firstMs: 10, maxMs: 30_000, random });
    this.#backoffs.set(key, backoff);
    // A conflict only says that the cache was behind.
    if (!isConflict(error)) log.warn('reconcile failed', { controller: name, key, error: messageOf(error) });
    this.enqueueAfter(key, backoff.next());
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
