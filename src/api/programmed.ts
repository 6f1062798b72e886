import type { Lease, Service } from './types.ts';

/** Condition of a Service: the rules of all nodes have it as it is now. */
export const PROGRAMMED = 'sampan.dev/Programmed';
/** Annotation of a terminating Pod: no node's rules lead to it any more, so it may end. */
export const UNROUTED = 'sampan.dev/unrouted';
/** Annotation of a node's Lease: a {@link ProxyReport} as JSON. */
const REPORT = 'sampan.dev/proxy';

export const NODE_LEASES = 'kube-node-lease';

/** How far the rules of a node have come: they carry every change up to these resourceVersions. */
export interface ProxyReport {
  readonly services: string;
  readonly endpointSlices: string;
  /** Keys of Services whose rules the kernel refuses; not all of them where there are many. */
  readonly refused?: readonly string[];
}

export function reportAnnotation(report: ProxyReport): Record<string, string> {
  return { [REPORT]: JSON.stringify(report) };
}

/** Undefined when the node runs no proxy that reports, or the text is nobody's report. */
export function reportOf(lease: Lease): ProxyReport | undefined {
  try {
    const report = JSON.parse(lease.metadata.annotations?.[REPORT] ?? 'null') as ProxyReport | null;
    return report && [report.services, report.endpointSlices].every(isRevision) ? report : undefined;
  } catch {
    return undefined;
  }
}

function isRevision(text: unknown): boolean {
  return typeof text === 'string' && /^\d{1,20}$/.test(text);
}

/** All of a Service that its rules depend on: two that are equal here are the same to every proxy. */
export function routedPart({ metadata, spec, status }: Service): object {
  return { annotations: metadata.annotations, spec, ingress: status?.loadBalancer?.ingress };
}
