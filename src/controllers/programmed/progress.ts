import type { ProxyReport } from '../../api/programmed.ts';

/** What rules are made of. */
export type Part = 'services' | 'endpointSlices';

type Revisions = Record<Part, bigint>;

interface Reached extends Revisions {
  readonly refused: ReadonlySet<string>;
}

/** How many of the nodes that count have a Service as it is. */
export interface Count {
  readonly have: number;
  readonly of: number;
  /** Nodes whose kernel refuses its rules. */
  readonly refused: number;
}

/** Which changes of Services the rules of which nodes carry. Nodes that are not alive do not count. Pure memory. */
export class Progress {
  readonly #reached = new Map<string, Reached>();
  readonly #alive = new Set<string>();
  /** Service key → revisions that its rules must have come to. */
  readonly #needs = new Map<string, Revisions>();
  /** Services that some node lacks. */
  readonly #waiting = new Set<string>();

  /** Keys of all Services. */
  get services(): Iterable<string> {
    return this.#needs.keys();
  }

  /** A Service needs a revision of one of its parts. A lower one than before changes nothing. */
  need(key: string, part: Part, resourceVersion: string): void {
    const needs = this.#needs.get(key) ?? { services: 0n, endpointSlices: 0n };
    const revision = BigInt(resourceVersion);
    if (revision > needs[part]) needs[part] = revision;
    this.#needs.set(key, needs);
    this.#waiting.add(key);
  }

  forget(key: string): void {
    this.#needs.delete(key);
    this.#waiting.delete(key);
  }

  /** A node has come further. Answers the Services that all nodes have now and did not have before. */
  reported(node: string, report: ProxyReport | undefined): string[] {
    if (report) this.#reached.set(node, toReached(report));
    else this.#reached.delete(node);
    return this.#settle();
  }

  /** Answers whether the number of nodes that count is another now. */
  setAlive(node: string, alive: boolean): boolean {
    if (alive === this.#alive.has(node)) return false;
    if (alive) this.#alive.add(node);
    else this.#alive.delete(node);
    this.#settle();
    return this.#reached.has(node);
  }

  count(key: string): Count {
    const needs = this.#needs.get(key) ?? { services: 0n, endpointSlices: 0n };
    const nodes = [...this.#counted()];
    return {
      of: nodes.length,
      have: nodes.filter((reached) => carries(reached, needs) && !reached.refused.has(key)).length,
      refused: nodes.filter(({ refused }) => refused.has(key)).length,
    };
  }

  /** True when all nodes' rules carry the EndpointSlices up to a revision. */
  carriesSlices(revision: bigint): boolean {
    for (const { endpointSlices } of this.#counted()) if (endpointSlices < revision) return false;
    return true;
  }

  /** The slowest node decides: however many there are, what waits is compared once. */
  #settle(): string[] {
    const slowest = this.#slowest();
    if (!slowest) return [];
    const settled = [...this.#waiting].filter((key) => {
      return carries(slowest, this.#needs.get(key)!) && !slowest.refused.has(key);
    });
    for (const key of settled) this.#waiting.delete(key);
    return settled;
  }

  /** What all nodes have come to, and what any of them refuses; undefined without a node that counts. */
  #slowest(): Reached | undefined {
    let slowest: Reached | undefined;
    for (const { services, endpointSlices, refused } of this.#counted()) {
      slowest = {
        services: lower(services, slowest?.services),
        endpointSlices: lower(endpointSlices, slowest?.endpointSlices),
        refused: slowest?.refused.size ? new Set([...slowest.refused, ...refused]) : refused,
      };
    }
    return slowest;
  }

  *#counted(): Iterable<Reached> {
    for (const [node, reached] of this.#reached) if (this.#alive.has(node)) yield reached;
  }
}

function toReached({ services, endpointSlices, refused = [] }: ProxyReport): Reached {
  return { services: BigInt(services), endpointSlices: BigInt(endpointSlices), refused: new Set(refused) };
}

function lower(a: bigint, b: bigint | undefined): bigint {
  return b === undefined || a < b ? a : b;
}

function carries(reached: Revisions, needs: Revisions): boolean {
  return reached.services >= needs.services && reached.endpointSlices >= needs.endpointSlices;
}
