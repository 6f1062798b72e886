/** Keys in order, for prefix ranges and pages. */
export class SortedKeys {
  readonly #keys: string[] = [];

  /** `key` must not be there yet. */
  add(key: string): void {
    const last = this.#keys.at(-1);
    if (last === undefined || last < key) this.#keys.push(key);
    else this.#keys.splice(this.#lowerBound(key), 0, key);
  }

  delete(key: string): void {
    const at = this.#lowerBound(key);
    if (this.#keys[at] === key) this.#keys.splice(at, 1);
  }

  /** Keys that begin with `prefix`, after `startAfter` if given. */
  range(prefix: string, startAfter?: string): string[] {
    const start = startAfter === undefined || startAfter < prefix ? this.#lowerBound(prefix) : this.#after(startAfter);
    return this.#keys.slice(start, this.#end(prefix));
  }

  count(prefix: string): number {
    return this.#end(prefix) - this.#lowerBound(prefix);
  }

  #after(key: string): number {
    const at = this.#lowerBound(key);
    return this.#keys[at] === key ? at + 1 : at;
  }

  #end(prefix: string): number {
    return this.#lowerBound(`${prefix}\uffff`);
  }

  #lowerBound(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
