import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice } from '../api/types.ts';
import type { Informers } from '../client/informer.ts';
import type { Clock } from '../lib/clock.ts';
import type { ChangeKind, ProxyObserver } from './observe.ts';

/** Annotation of an EndpointSlice: when what made it change happened (RFC 3339). */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';
/** Refused Services that a report names at most. */
const REFUSED_MAX = 32;

interface RoundsOptions {
  readonly informers: Informers;
  readonly clock: Clock;
  readonly elapsedMs?: () => number;
  readonly observer?: ProxyObserver;
}

/** Measures rounds of changes on their way into the kernel, and tells the observer. */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #startedMs: number;
  #triggeredMs: number[] = [];

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#startedMs = options.clock.now();
  }

  /** What happened before this process began says nothing of its speed. */
  queued(kind: ChangeKind, slice?: EndpointSlice): void {
    this.#options.observer?.queued?.(kind);
    const triggered = Date.parse(slice?.metadata.annotations?.[TRIGGER_TIME] ?? '');
    if (triggered >= this.#startedMs) this.#triggeredMs.push(triggered);
  }

  /** Right before changes are taken; the function that it returns, when they are in the kernel. */
  begin({ full }: { full: boolean }): (refused: ReadonlySet<string>) => void {
    const { informers, observer, clock, elapsedMs = () => clock.now() } = this.#options;
    const startMs = elapsedMs();
    const triggeredMs = this.#triggeredMs;
    const reached = {
      services: informers.of(services).resourceVersion ?? '0',
      endpointSlices: informers.of(endpointSlices).resourceVersion ?? '0',
    };
    this.#triggeredMs = [];
    return (refused) => {
      const some = refused.size > 0 ? { refused: [...refused].slice(0, REFUSED_MAX) } : {};
      observer?.synced?.({ full, durationMs: elapsedMs() - startMs, triggeredMs, report: { ...reached, ...some } });
    };
  }
}
