/** Ports of the node that listeners of the proxy get: below node ports and those that programs get at random. */
export const PROXY_PORTS = { first: 10_000, last: 29_999 } as const;

/** Gives out ports, those that were free the longest time first. */
export class PortPool {
  readonly #used = new Set<number>();
  /** Taken by another program. */
  readonly #blocked = new Set<number>();
  #last: number;

  constructor(last: number = PROXY_PORTS.last) {
    this.#last = last;
  }

  /** A port that nobody has, and none of `also`. Throws when there is none left. */
  take(also: ReadonlySet<number>): number {
    const count = PROXY_PORTS.last - PROXY_PORTS.first + 1;
    for (let tries = 0; tries < count; tries++) {
      this.#last = this.#last >= PROXY_PORTS.last ? PROXY_PORTS.first : this.#last + 1;
      if (!this.#used.has(this.#last) && !this.#blocked.has(this.#last) && !also.has(this.#last)) return this.#last;
    }
    throw new Error(`all ${count} ports of the proxy are in use`);
  }

  use(port: number): void {
    this.#used.add(port);
  }

  release(port: number): void {
    this.#used.delete(port);
  }

  block(port: number): void {
    this.#blocked.add(port);
  }
}
