/** Wakes one waiting loop. */
export interface Alarm {
  ring(): void;
  /** Resolves at the next ring, or at once when it rang since the last wait; rings of one turn are one. */
  wait(): Promise<void>;
}

export function createAlarm(): Alarm {
  let next = Promise.withResolvers<void>();
  return {
    ring: () => next.resolve(),
    async wait() {
      await next.promise;
      // A list tells of its objects one by one: let it end.
      await new Promise((resolve) => setImmediate(resolve));
      next = Promise.withResolvers();
    },
  };
}
