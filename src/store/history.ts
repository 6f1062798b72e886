import { type Change, CompactedError } from './store.ts';

/** The newest changes, bounded: what watches resume from and older lists are rebuilt from. */
export class History {
  #changes: Change[] = [];
  /** Revision of the newest change that is no longer kept. */
  #compacted: number;
  readonly #limit: number;

  constructor(limit: number, compacted: number) {
    this.#limit = limit;
    this.#compacted = compacted;
  }

  push(change: Change): void {
    this.#changes.push(change);
    if (this.#changes.length >= 2 * this.#limit) this.#trim();
  }

  /** Changes after `revision`, oldest first. */
  after(revision: number): readonly Change[] {
    if (revision < this.#compacted) throw new CompactedError(this.#compacted + 1);
    return this.#changes.slice(this.#indexAfter(revision));
  }

  #trim(): void {
    const dropped = this.#changes.length - this.#limit;
    this.#compacted = this.#changes[dropped - 1]!.revision;
    this.#changes = this.#changes.slice(dropped);
  }

  #indexAfter(revision: number): number {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#changes[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
