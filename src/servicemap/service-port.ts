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
  /** Traffic from outside keeps its source: externalTrafficPolicy Local. */
  readonly keepSource: boolean;
}

/** The node that the answer is for. */
export interface NodeFacts {
  readonly name: string;
}

/** The ports of a Service on a node. Headless and ExternalName Services have none. Pure. */
export function servicePorts(service: Service, slices: readonly EndpointSlice[], node: NodeFacts): ServicePort[] {
  const { spec, status, metadata } = service;
  const clusterIps = (spec?.clusterIPs ?? []).filter((ip) => ip !== 'None');
  if (!spec || spec.type === 'ExternalName' || clusterIps.length === 0) return [];
  const ingress = (status?.loadBalancer?.ingress ?? []).flatMap((entry) =>
    entry.ip && entry.ipMode !== 'Proxy' ? [entry.ip] : [],
  );
  const keepSource = spec.externalTrafficPolicy === 'Local';
  return (spec.ports ?? []).map((port) => {
    const candidates = candidatesOf(slices, port.name ?? '', (port.protocol ?? 'TCP') as Protocol);
    return {
      key: `${metadata.namespace}/${metadata.name}:${port.name ?? port.port}`,
      protocol: (port.protocol ?? 'TCP') as Protocol,
      port: port.port,
      nodePort: port.nodePort ?? 0,
      clusterIps,
      externalIps: [...(spec.externalIPs ?? []), ...ingress],
      affinitySeconds:
        spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : 0,
      internal: usable(candidates, { node, local: spec.internalTrafficPolicy === 'Local' }),
      external: usable(candidates, { node, local: keepSource }),
      keepSource,
    };
  });
}

interface Candidate extends Endpoint {
  readonly node: string | undefined;
  readonly ready: boolean;
  readonly serving: boolean;
}

function candidatesOf(slices: readonly EndpointSlice[], portName: string, protocol: Protocol): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    const port = slice.ports?.find(
      (entry) => (entry.name ?? '') === portName && (entry.protocol ?? 'TCP') === protocol,
    );
    if (!port?.port) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const ready = endpoint.conditions?.ready ?? true;
      const serving = endpoint.conditions?.serving ?? ready;
      const candidate = { ip: endpoint.addresses[0]!, port: port.port, node: endpoint.nodeName, ready, serving };
      const key = `${candidate.ip}:${candidate.port}`;
      if (!found.get(key)?.ready) found.set(key, candidate);
    }
  }
  return [...found.values()];
}

/** Ready endpoints; when there is none, those that still serve while they terminate (KEP-1669). */
function usable(candidates: readonly Candidate[], { node, local }: { node: NodeFacts; local: boolean }): Endpoint[] {
  const here = local ? candidates.filter((candidate) => candidate.node === node.name) : candidates;
  const ready = here.filter((candidate) => candidate.ready);
  const chosen = ready.length > 0 ? ready : here.filter((candidate) => candidate.serving);
  return chosen.map(({ ip, port }) => ({ ip, port })).sort((a, b) => compare(a.ip, b.ip) || a.port - b.port);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
