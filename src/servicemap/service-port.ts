import type { EndpointSlice, Service } from '../api/types.ts';
import { type Cidr, cidrContains, formatCidr, parseCidr } from '../lib/ip.ts';
import { type Candidate, candidatesOf, near, toEndpoints, usable } from './candidates.ts';
import type { Endpoint, Family, NodeFacts, Protocol } from './endpoint.ts';

export type { Endpoint, Family, NodeFacts, Protocol } from './endpoint.ts';

/** What a node owes one port of one Service, for one family of addresses. */
export interface ServicePort {
  /** `namespace/name:port`, without the last part where the port has no name; the ports of a dual-stack Service have it twice. */
  readonly key: string;
  readonly family: Family;
  readonly protocol: Protocol;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  readonly clusterIps: readonly string[];
  /** spec.externalIPs. */
  readonly externalIps: readonly string[];
  /** Addresses of load balancers that lead packets to a node as they are (ipMode VIP). */
  readonly loadBalancerIps: readonly string[];
  /** Who may use {@link loadBalancerIps}, as CIDRs; others' packets are dropped. Empty: everybody. */
  readonly sourceRanges: readonly string[];
  /** Seconds that a client stays with its endpoint; 0: it does not. */
  readonly affinitySeconds: number;
  /** For traffic to the cluster IPs. */
  readonly internal: readonly Endpoint[];
  /** For traffic that comes from outside: node ports, external addresses. */
  readonly external: readonly Endpoint[];
  /** Usable endpoints whatever the policies: for the cluster's own traffic to external addresses, and to tell "none here" from "none". */
  readonly cluster: readonly Endpoint[];
  /** Traffic from outside keeps its source: externalTrafficPolicy Local. */
  readonly keepSource: boolean;
}

const IPV4_ONLY: readonly Family[] = [4];
const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges';
/** Three hours: the API's default for sessionAffinityConfig.clientIP.timeoutSeconds. */
const AFFINITY_SECONDS = 10_800;

/** The ports of a Service on a node. Headless and ExternalName Services have none. Pure. */
export function servicePorts(service: Service, slices: readonly EndpointSlice[], node: NodeFacts): ServicePort[] {
  if (!service.spec || service.spec.type === 'ExternalName') return [];
  return (node.families ?? IPV4_ONLY).flatMap((family) => portsOfFamily(service, { slices, node, family }));
}

interface Place {
  readonly slices: readonly EndpointSlice[];
  readonly node: NodeFacts;
  readonly family: Family;
}

function portsOfFamily(service: Service, { slices, node, family }: Place): ServicePort[] {
  const spec = service.spec!;
  const clusterIps = (spec.clusterIPs ?? []).filter((ip) => ip !== 'None' && familyOf(ip) === family);
  if (clusterIps.length === 0) return [];
  const shared = {
    family,
    clusterIps,
    externalIps: (spec.externalIPs ?? []).filter((ip) => familyOf(ip) === family),
    loadBalancerIps: loadBalancerIps(service, family),
    sourceRanges: sourceRanges(service, family),
    affinitySeconds: affinitySeconds(service),
    keepSource: spec.externalTrafficPolicy === 'Local',
  };
  return (spec.ports ?? []).map((port) => {
    const protocol = (port.protocol ?? 'TCP') as Protocol;
    return {
      key: `${service.metadata.namespace}/${service.metadata.name}${port.name ? `:${port.name}` : ''}`,
      protocol,
      port: port.port,
      nodePort: port.nodePort ?? 0,
      ...shared,
      ...backends(service, candidatesOf(slices, { portName: port.name ?? '', protocol, family }), node),
    };
  });
}

/** An address that the spec claims too is not the load balancer's: nobody's source is asked for there. */
function loadBalancerIps({ spec, status }: Service, family: Family): string[] {
  const ingress = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
    ip && ipMode !== 'Proxy' && familyOf(ip) === family ? [ip] : [],
  );
  return [...new Set(ingress)].filter((ip) => !spec?.externalIPs?.includes(ip));
}

/** The field, or where it is empty the annotation that came before it; no range inside another. */
function sourceRanges({ metadata, spec }: Service, family: Family): string[] {
  const field = spec?.loadBalancerSourceRanges ?? [];
  const written = field.length > 0 ? field : (metadata.annotations?.[SOURCE_RANGES]?.split(',') ?? []);
  const ranges = written.flatMap((text) => parseCidr(text.trim()) ?? []).filter((range) => range.family === family);
  if (ranges.some(({ prefix }) => prefix === 0)) return [];
  const widest = ranges.filter((range) => !ranges.some((other) => holds(other, range)));
  return [...new Set(widest.map(formatCidr))];
}

function holds(outer: Cidr, inner: Cidr): boolean {
  return outer.prefix < inner.prefix && cidrContains(outer, { family: inner.family, value: inner.base });
}

function affinitySeconds({ spec }: Service): number {
  if (spec?.sessionAffinity !== 'ClientIP') return 0;
  return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS;
}

/** Hints say who is near, policies who may be asked at all: a Local policy does not look at hints (KEP-2433, KEP-2086). */
function backends(
  { spec }: Service,
  candidates: readonly Candidate[],
  node: NodeFacts,
): Pick<ServicePort, 'internal' | 'external' | 'cluster'> {
  const here = usable(candidates.filter((candidate) => candidate.node === node.name));
  const cluster = near(usable(candidates), node);
  return {
    cluster: toEndpoints(cluster),
    internal: toEndpoints(spec?.internalTrafficPolicy === 'Local' ? here : cluster),
    external: toEndpoints(spec?.externalTrafficPolicy === 'Local' ? here : cluster),
  };
}

export function familyOf(ip: string): Family {
  return ip.includes(':') ? 6 : 4;
}
