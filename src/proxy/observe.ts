import type { ProxyReport } from '../api/programmed.ts';

/** What changed, as kube-proxy counts it: a Service, or an EndpointSlice. */
export type ChangeKind = 'service' | 'endpoint';

/** One round of bringing changes into the kernel. */
export interface Sync {
  /** Everything anew, not only what changed. */
  readonly full: boolean;
  readonly durationMs: number;
  /** When the endpoint changes that came in with it began, in milliseconds since the epoch. */
  readonly triggeredMs: readonly number[];
  /** How far the rules have come. */
  readonly report: ProxyReport;
}

/** Is told what a proxy does. */
export interface ProxyObserver {
  /** A change waits to be brought into the kernel. */
  queued?(kind: ChangeKind): void;
  synced?(sync: Sync): void;
}

/** Tells each of several observers. */
export function observeAll(observers: readonly ProxyObserver[]): Required<ProxyObserver> {
  return {
    queued: (kind) => observers.forEach((observer) => void observer.queued?.(kind)),
    synced: (sync) => observers.forEach((observer) => void observer.synced?.(sync)),
  };
}
