/** Things that several Services may need: they come with the first, and go with the last. */
export class Counted<T> {
  readonly #counts = new Map<T, number>();

  keys(): Iterable<T> {
    return this.#counts.keys();
  }

  /** What comes and goes when some give up `before` and want `after`; {@link apply} makes it so. */
  difference(before: readonly T[], after: readonly T[]): { add: T[]; remove: T[]; apply(): void } {
    const changes = new Map<T, number>();
    for (const one of before) changes.set(one, (changes.get(one) ?? 0) - 1);
    for (const one of after) changes.set(one, (changes.get(one) ?? 0) + 1);
    const count = (one: T) => this.#counts.get(one) ?? 0;
    return {
      add: [...changes].filter(([one, change]) => count(one) === 0 && change > 0).map(([one]) => one),
      remove: [...changes].filter(([one, change]) => count(one) > 0 && count(one) + change === 0).map(([one]) => one),
      apply: () => {
        for (const [one, change] of changes) {
          if (count(one) + change > 0) this.#counts.set(one, count(one) + change);
          else this.#counts.delete(one);
        }
      },
    };
  }
}
