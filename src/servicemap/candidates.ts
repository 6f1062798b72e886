import type { EndpointSlice } from '../api/types.ts';
import type { Endpoint, Family, NodeFacts, Protocol } from './endpoint.ts';

/** An endpoint with all that decides whether it is used. */
export interface Candidate extends Endpoint {
  readonly node: string | undefined;
  readonly ready: boolean;
  /** Ends, and answers until then. */
  readonly lastResort: boolean;
  /** Nodes and zones that should use it; undefined: no hint. */
  readonly forNodes: readonly string[] | undefined;
  readonly forZones: readonly string[] | undefined;
}

type SliceEndpoint = NonNullable<EndpointSlice['endpoints']>[number];

/** The endpoints of one port, each once. */
export function candidatesOf(
  slices: readonly EndpointSlice[],
  { portName, protocol, family }: { portName: string; protocol: Protocol; family: Family },
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== `IPv${family}`) continue;
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
    lastResort: Boolean(endpoint.conditions?.terminating) && (endpoint.conditions?.serving ?? ready),
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
export function usable(candidates: readonly Candidate[]): readonly Candidate[] {
  const ready = candidates.filter((candidate) => candidate.ready);
  return ready.length > 0 ? ready : candidates.filter((candidate) => candidate.lastResort);
}

/** Those hinted for this node, or else for its zone, when every endpoint carries a hint; otherwise all. */
export function near(candidates: readonly Candidate[], { name, zone }: NodeFacts): readonly Candidate[] {
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
export function toEndpoints(candidates: readonly Candidate[]): Endpoint[] {
  return candidates.map(({ ip, port }) => ({ ip, port })).sort((a, b) => compare(a.ip, b.ip) || a.port - b.port);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
