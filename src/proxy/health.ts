import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import type { Informers } from '../client/informer.ts';
import type { Clock } from '../lib/clock.ts';
import type { ProxyObserver } from './observe.ts';

/** A change that waits longer than this to be brought into the kernel is a proxy that does not work. */
const LATE_MS = 60_000;
/** Taint of a node that an autoscaler is about to remove. */
const LEAVING = 'ToBeDeletedByClusterAutoscaler';

/** An answer to who asks for a proxy's health, as kube-proxy's. */
export interface HealthAnswer {
  readonly code: 200 | 503;
  readonly body: string;
}

/** Whether the proxy keeps up with changes. */
export class ProxyHealth implements ProxyObserver {
  readonly #options: { readonly clock: Clock; readonly informers: Informers; readonly nodeName: string };
  readonly #startedMs: number;
  #queuedMs: number | undefined;
  #syncedMs: number | undefined;

  constructor(options: { clock: Clock; informers: Informers; nodeName: string }) {
    this.#options = options;
    this.#startedMs = options.clock.now();
  }

  queued(): void {
    this.#queuedMs ??= this.#options.clock.now();
  }

  synced(): void {
    this.#queuedMs = undefined;
    this.#syncedMs = this.#options.clock.now();
  }

  get healthy(): boolean {
    const { clock } = this.#options;
    const waitingSince = this.#syncedMs === undefined ? this.#startedMs : this.#queuedMs;
    return waitingSince === undefined || clock.now() - waitingSince <= LATE_MS;
  }

  /** `/livez`: the proxy alone. */
  live(): HealthAnswer {
    return this.#answer(true, this.healthy);
  }

  /** `/healthz`: whether load balancers should send traffic here; not to a node that goes away. */
  ready(): HealthAnswer {
    const { informers, nodeName } = this.#options;
    const eligible = isEligible(informers.of(nodes).get(nodeName));
    return this.#answer(eligible, this.healthy && eligible);
  }

  #answer(nodeEligible: boolean, good: boolean): HealthAnswer {
    const now = this.#options.clock.now();
    // Of a proxy that has nothing to do, what it last did is up to date.
    const updated = this.healthy ? now : (this.#syncedMs ?? this.#startedMs);
    const text = { lastUpdated: String(new Date(updated)), currentTime: String(new Date(now)), nodeEligible };
    return { code: good ? 200 : 503, body: JSON.stringify(text) };
  }
}

function isEligible(node: Node | undefined): boolean {
  if (!node) return true;
  return !node.metadata.deletionTimestamp && !node.spec?.taints?.some(({ key }) => key === LEAVING);
}
