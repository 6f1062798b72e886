import type { Clock } from '../../lib/clock.ts';
import type { Endpoint } from '../../servicemap/service-port.ts';

/** What a listener has to choose from. */
export interface Targets {
  readonly endpoints: readonly Endpoint[];
  /** Seconds that a client stays with its endpoint; 0: it does not. */
  readonly affinitySeconds: number;
}

interface Stay {
  readonly endpoint: string;
  usedAt: number;
}

/** Clients that are remembered at most; beyond that, the one that was heard the longest time ago is forgotten. */
const STAYS_MAX = 16_384;

/** Chooses endpoints in turn, but for clients that stay with theirs. */
export class Balancer {
  readonly #clock: Clock;
  #targets: Targets;
  #turn = 0;
  /** Client address → endpoint; the one that was heard last is last. */
  readonly #stays = new Map<string, Stay>();

  constructor(targets: Targets, clock: Clock) {
    this.#targets = targets;
    this.#clock = clock;
  }

  get targets(): Targets {
    return this.#targets;
  }

  /** Who stays with an endpoint that is still there goes on to do so. */
  setTargets(targets: Targets): void {
    this.#targets = targets;
    const names = new Set(targets.endpoints.map(nameOf));
    for (const [client, { endpoint }] of this.#stays)
      if (targets.affinitySeconds === 0 || !names.has(endpoint)) this.#stays.delete(client);
  }

  /** An endpoint for a client, other than those that did not answer it; undefined when there is no other. */
  pick(client: string, failed: ReadonlySet<Endpoint> = new Set()): Endpoint | undefined {
    const { endpoints, affinitySeconds } = this.#targets;
    const kept = affinitySeconds > 0 && failed.size === 0 ? this.#kept(client) : undefined;
    const endpoint = kept ?? this.#next(endpoints.filter((one) => !failed.has(one)));
    if (endpoint && affinitySeconds > 0) this.#remember(client, endpoint);
    return endpoint;
  }

  #next(candidates: readonly Endpoint[]): Endpoint | undefined {
    if (candidates.length === 0) return undefined;
    const endpoint = candidates[this.#turn % candidates.length];
    this.#turn = (this.#turn + 1) % Number.MAX_SAFE_INTEGER;
    return endpoint;
  }

  #kept(client: string): Endpoint | undefined {
    const stay = this.#stays.get(client);
    if (!stay || this.#clock.now() - stay.usedAt > this.#targets.affinitySeconds * 1000) return undefined;
    return this.#targets.endpoints.find((endpoint) => nameOf(endpoint) === stay.endpoint);
  }

  #remember(client: string, endpoint: Endpoint): void {
    this.#stays.delete(client);
    if (this.#stays.size >= STAYS_MAX) this.#stays.delete(this.#stays.keys().next().value!);
    this.#stays.set(client, { endpoint: nameOf(endpoint), usedAt: this.#clock.now() });
  }
}

export function nameOf({ ip, port }: Endpoint): string {
  return `${ip}:${port}`;
}
