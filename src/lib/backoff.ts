/** Exponential back-off with jitter. */
export interface Backoff {
  /** The next delay in ms: between half and all of a span that doubles each time. */
  next(): number;
  reset(): void;
}

export function createBackoff(options: { firstMs: number; maxMs: number; random: () => number }): Backoff {
  let span = options.firstMs;
  return {
    next() {
      const delay = span * (0.5 + options.random() / 2);
      span = Math.min(span * 2, options.maxMs);
      return delay;
    },
    reset() {
      span = options.firstMs;
    },
  };
}
