import type { Clock } from '../../lib/clock.ts';

export interface FairQueueOptions {
  clock: Clock;
  /** Places. */
  limit: number;
  /** Of one flow. */
  queueLength: number;
  waitMs: number;
  /** How many places are taken now. */
  onChange?: (count: number) => void;
}

interface Waiting {
  readonly resolve: (release: (() => void) | undefined) => void;
  readonly cancel: () => void;
}

/** Places that flows share: each waits in a queue of its own, and free places go to the flows in turn. */
export class FairQueue {
  readonly #options: FairQueueOptions;
  /** In the order of their turns. */
  readonly #flows = new Map<string, Set<Waiting>>();
  #taken = 0;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  /** Resolves with what gives the place back; undefined when the queue is full, the wait too long or the signal aborts. */
  enter(flow: string, signal: AbortSignal): Promise<(() => void) | undefined> {
    if (this.#taken < this.#options.limit) return Promise.resolve(this.#take());
    const queue = this.#flows.get(flow) ?? new Set<Waiting>();
    if (queue.size >= this.#options.queueLength || signal.aborted) return Promise.resolve(undefined);
    this.#flows.set(flow, queue);
    return this.#wait(flow, queue, signal);
  }

  #wait(flow: string, queue: Set<Waiting>, signal: AbortSignal): Promise<(() => void) | undefined> {
    const { promise, resolve } = Promise.withResolvers<(() => void) | undefined>();
    const giveUp = () => {
      queue.delete(waiting);
      if (queue.size === 0 && this.#flows.get(flow) === queue) this.#flows.delete(flow);
      waiting.cancel();
      resolve(undefined);
    };
    const stop = this.#options.clock.after(this.#options.waitMs, giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    const cancel = () => {
      stop();
      signal.removeEventListener('abort', giveUp);
    };
    const waiting: Waiting = { resolve, cancel };
    queue.add(waiting);
    return promise;
  }

  #take(): () => void {
    this.#options.onChange?.(++this.#taken);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#options.onChange?.(--this.#taken);
      this.#serveNext();
    };
  }

  #serveNext(): void {
    const [first] = this.#flows;
    if (!first) return;
    const [flow, queue] = first;
    const [next] = queue;
    queue.delete(next!);
    // Its flow goes to the end of the line.
    this.#flows.delete(flow);
    if (queue.size > 0) this.#flows.set(flow, queue);
    next!.cancel();
    next!.resolve(this.#take());
  }
}
