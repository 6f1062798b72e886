import type { EndpointSlice, Service } from '../api/types.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** Where traffic of a Service may be sent. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

/** What a node owes one port of one Service. */
export interface ServicePort {
  /** `namespace/name:port`. */
  readonly key: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  readonly clusterIps: readonly string[];
  /** externalIPs and addresses of load balancers. */
  readonly externalIps: readonly string[];
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

/** The node that the answer is for. */
export interface NodeFacts {
  readonly name: string;
  /** Label `topology.kubernetes.io/zone`; without one, hints for zones are not followed. */
  readonly zone?: string | undefined;
}

/** The ports of a Service on a node. Headless and ExternalName Services have none. Pure. */
export function servicePorts(service: Service, slices: readonly EndpointSlice[], node: NodeFacts): ServicePort[] {
  const { spec } = service;
  const clusterIps = (spec?.clusterIPs ?? []).filter((ip) => ip !== 'None' && isIpv4(ip));
  if (!spec || spec.type === 'ExternalName' || clusterIps.length === 0) return [];
  return (spec.ports ?? []).map((port) => {
    const protocol = (port.protocol ?? 'TCP') as Protocol;
    return {
      key: `${service.metadata.namespace}/${service.metadata.name}:${port.name ?? port.port}`,
      protocol,
      port: port.port,
      nodePort: port.nodePort ?? 0,
      clusterIps,
      externalIps: externalIpsOf(service),
      affinitySeconds: affinitySeconds(service),
      keepSource: spec.externalTrafficPolicy === 'Local',
      ...backends(service, candidatesOf(slices, { portName: port.name ?? '', protocol }), node),
    };
  });
}

function externalIpsOf({ spec, status }: Service): string[] {
  const ingress = (status?.loadBalancer?.ingress ?? []).flatMap((entry) =>
    entry.ip && entry.ipMode !== 'Proxy' ? [entry.ip] : [],
  );
  return [...new Set([...(spec?.externalIPs ?? []), ...ingress])].filter(isIpv4);
}

function affinitySeconds({ spec }: Service): number {
  return spec?.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : 0;
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

interface Candidate extends Endpoint {
  readonly node: string | undefined;
  readonly ready: boolean;
  readonly serving: boolean;
  /** Nodes and zones that should use it; undefined: no hint. */
  readonly forNodes: readonly string[] | undefined;
  readonly forZones: readonly string[] | undefined;
}

type SliceEndpoint = NonNullable<EndpointSlice['endpoints']>[number];

function candidatesOf(
  slices: readonly EndpointSlice[],
  { portName, protocol }: { portName: string; protocol: Protocol },
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    const port = slice.ports?.find(
      (entry) => (entry.name ?? '') === portName && (entry.protocol ?? 'TCP') === protocol,
    );
    if (!port?.port) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const candidate = toCandidate(endpoint, port.port);
      const key = `${candidate.ip}:${candidate.port}`;
      // An endpoint moves between slices through two of them: the one that says ready is right.
      if (!found.get(key)?.ready) found.set(key, candidate);
    }
  }
  return [...found.values()];
}

function toCandidate(endpoint: SliceEndpoint, port: number): Candidate {
  const ready = endpoint.conditions?.ready ?? true;
  return {
    ip: endpoint.addresses[0]!,
    port,
    node: endpoint.nodeName,
    ready,
    serving: endpoint.conditions?.serving ?? ready,
    forNodes: namesOf(endpoint.hints, 'forNodes'),
    forZones: namesOf(endpoint.hints, 'forZones'),
  };
}

/** `forNodes` is newer than the types (KEP-3015, 1.33). */
function namesOf(hints: unknown, field: 'forNodes' | 'forZones'): string[] | undefined {
  const list = (hints as Partial<Record<string, { name: string }[]>> | undefined)?.[field];
  return list?.map(({ name }) => name);
}

/** Ready endpoints; when there is none, those that still serve while they terminate (KEP-1669). */
function usable(candidates: readonly Candidate[]): readonly Candidate[] {
  const ready = candidates.filter((candidate) => candidate.ready);
  return ready.length > 0 ? ready : candidates.filter((candidate) => candidate.serving);
}

/** Those hinted for this node, or else for its zone, when every endpoint carries a hint; otherwise all. */
function near(candidates: readonly Candidate[], { name, zone }: NodeFacts): readonly Candidate[] {
  const hinted = (field: 'forNodes' | 'forZones', value: string) =>
    candidates.every((candidate) => candidate.ready && candidate[field]?.length)
      ? candidates.filter((candidate) => candidate[field]!.includes(value))
      : [];
  const sameNode = hinted('forNodes', name);
  if (sameNode.length > 0) return sameNode;
  const sameZone = zone ? hinted('forZones', zone) : [];
  return sameZone.length > 0 ? sameZone : candidates;
}

/** In a fixed order, so that the same endpoints are the same list. */
function toEndpoints(candidates: readonly Candidate[]): Endpoint[] {
  return candidates.map(({ ip, port }) => ({ ip, port })).sort((a, b) => compare(a.ip, b.ip) || a.port - b.port);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function isIpv4(ip: string): boolean {
  return !ip.includes(':');
}
