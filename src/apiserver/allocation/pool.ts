/** Numbers `0 … size-1` that are handed out once each; new ones come at random from the upper band while it lasts. */
export class Pool {
  readonly #used = new Set<number>();
  readonly #size: number;
  readonly #staticBand: number;
  readonly #random: () => number;

  /** `staticBand` numbers at the start are left to those who ask by name (KEP-3070, KEP-3668). */
  constructor(options: { size: number; staticBand: number; random: () => number }) {
    this.#size = options.size;
    this.#staticBand = options.staticBand;
    this.#random = options.random;
  }

  /** False when it is taken already. */
  take(number: number): boolean {
    if (this.#used.has(number)) return false;
    this.#used.add(number);
    return true;
  }

  /** A free number, or undefined when all are taken. */
  takeAny(): number | undefined {
    const number = this.#findFree(this.#staticBand, this.#size) ?? this.#findFree(0, this.#staticBand);
    if (number !== undefined) this.#used.add(number);
    return number;
  }

  release(number: number): void {
    this.#used.delete(number);
  }

  #findFree(from: number, to: number): number | undefined {
    const width = to - from;
    const start = Math.floor(this.#random() * width);
    for (let step = 0; step < width; step++) {
      const number = from + ((start + step) % width);
      if (!this.#used.has(number)) return number;
    }
    return undefined;
  }
}

/** How many addresses of a CIDR with `size` addresses are kept for static use: `min(max(16, size / 16), 256)`. */
export function addressBand(size: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 16)), 256);
}

/** The same for node ports: `min(max(16, size / 32), 128)`, none for tiny ranges. */
export function portBand(size: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128);
}
