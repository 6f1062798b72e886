import type { Clock } from '../lib/clock.ts';

/** Something with output that waits to be written. */
export interface Flushable {
  flush(): void;
}

/** Longest rest: on a busy machine a round may take long without using the processor. */
const REST_LIMIT_MS = 20;

/**
 * Writes to watchers in rounds: what changes while a round is written goes out together in the next one. A round is
 * followed by a rest as long as it took, within a limit, so that requests are served however many watch.
 */
export class Fanout {
  readonly #clock: Clock;
  #waiting = new Set<Flushable>();
  #isScheduled = false;
  #restUntil = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(stream: Flushable): void {
    this.#waiting.add(stream);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const rest = this.#restUntil - this.#clock.now();
    if (rest > 0) this.#clock.after(rest, () => this.#round());
    else setImmediate(() => this.#round());
  }

  #round(): void {
    const begun = this.#clock.now();
    const streams = this.#waiting;
    this.#waiting = new Set();
    this.#isScheduled = false;
    for (const stream of streams) stream.flush();
    const now = this.#clock.now();
    this.#restUntil = now + Math.min(now - begun, REST_LIMIT_MS);
  }
}
