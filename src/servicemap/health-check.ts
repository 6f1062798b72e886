import type { EndpointSlice, Service } from '../api/types.ts';

/** What a load balancer is told at a Service's healthCheckNodePort: whether this node is worth its packets. */
export interface HealthCheck {
  readonly port: number;
  /** Ready endpoints on this node. */
  readonly localEndpoints: number;
}

/** Undefined for Services that have no such port: all but load balancers whose traffic stays on the node. Pure. */
export function healthCheckOf(
  { spec }: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
): HealthCheck | undefined {
  const port = spec?.healthCheckNodePort ?? 0;
  if (port === 0 || spec?.type !== 'LoadBalancer' || spec.externalTrafficPolicy !== 'Local') return undefined;
  const here = slices.flatMap(({ endpoints }) =>
    (endpoints ?? []).filter((endpoint) => endpoint.nodeName === nodeName && (endpoint.conditions?.ready ?? true)),
  );
  return { port, localEndpoints: new Set(here.map(({ addresses, targetRef }) => targetRef?.uid ?? addresses[0])).size };
}
