/** Keys that a block holds at most: an insertion moves no more than these. */
const BLOCK = 512;

/** Keys in order, for prefix ranges and pages: blocks of sorted keys, each block before the next. */
export class SortedKeys {
  readonly #blocks: string[][] = [];

  /** `key` must not be there yet. */
  add(key: string): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at];
    if (!block) {
      this.#blocks.push([key]);
      return;
    }
    const last = block.at(-1)!;
    if (last < key) block.push(key);
    else block.splice(lowerBound(block, key), 0, key);
    if (block.length > BLOCK) this.#split(at, last < key);
  }

  delete(key: string): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at];
    const index = block ? lowerBound(block, key) : 0;
    if (block?.[index] !== key) return;
    block.splice(index, 1);
    if (block.length === 0) this.#blocks.splice(at, 1);
  }

  /** Keys that begin with `prefix`, after `startAfter` if given. */
  range(prefix: string, startAfter?: string): string[] {
    const from = startAfter === undefined || startAfter < prefix ? prefix : startAfter;
    const end = endOf(prefix);
    const found: string[][] = [];
    for (let at = this.#blockOf(from); at < this.#blocks.length && this.#blocks[at]![0]! < end; at++) {
      const block = this.#blocks[at]!;
      found.push(block.slice(lowerBound(block, from), lowerBound(block, end)));
    }
    const keys = found.length === 1 ? found[0]! : found.flat();
    return keys[0] === startAfter ? keys.slice(1) : keys;
  }

  count(prefix: string): number {
    const end = endOf(prefix);
    let count = 0;
    for (let at = this.#blockOf(prefix); at < this.#blocks.length && this.#blocks[at]![0]! < end; at++) {
      const block = this.#blocks[at]!;
      count += lowerBound(block, end) - lowerBound(block, prefix);
    }
    return count;
  }

  /** A block that only grows at its end stays full: keys often come in order. */
  #split(at: number, grownAtEnd: boolean): void {
    const block = this.#blocks[at]!;
    this.#blocks.splice(at + 1, 0, block.splice(grownAtEnd ? BLOCK : BLOCK / 2));
  }

  /** The first block that ends at or after `key`, or the last one. */
  #blockOf(key: string): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#blocks[middle]!.at(-1)! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function endOf(prefix: string): string {
  return `${prefix}\uffff`;
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
