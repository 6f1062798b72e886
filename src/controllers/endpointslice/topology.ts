import { parseQuantity } from '../../api/quantity.ts';
import type { EndpointSlice, Node, Service } from '../../api/types.ts';

import type { WantedSlice } from './plan.ts';

type Endpoint = EndpointSlice['endpoints'][number];

const ANNOTATIONS = ['service.kubernetes.io/topology-aware-hints', 'service.kubernetes.io/topology-mode'];
const CONTROL_PLANE = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];
const ZONE = 'topology.kubernetes.io/zone';
/** How much more than its share the endpoints of a zone may have to bear (KEP-2433). */
const OVERLOAD = 1.2;

/** True when a Service asks that endpoints be shared out to zones by what their nodes can do. */
export function wantsTopologyHints({ metadata }: Service): boolean {
  const found = ANNOTATIONS.map((name) => metadata.annotations?.[name]).find((value) => value !== undefined);
  return found?.toLowerCase() === 'auto';
}

/** Each zone's part of the CPU of all ready nodes; a text says why that is not known. Pure. */
export function zoneShares(nodes: readonly Node[]): Map<string, number> | string {
  const cores = new Map<string, number>();
  for (const { metadata, status } of nodes) {
    const ready = status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
    if (!ready || CONTROL_PLANE.some((label) => metadata.labels?.[label] !== undefined)) continue;
    const zone = metadata.labels?.[ZONE];
    const cpu = parseQuantity(String(status?.allocatable?.['cpu'] ?? ''));
    if (zone === undefined || !cpu) return 'Nodes do not have zone information';
    cores.set(zone, (cores.get(zone) ?? 0) + cpu);
  }
  if (cores.size < 2) return 'Insufficient number of zones';
  const total = [...cores.values()].reduce((sum, cpu) => sum + cpu, 0);
  return new Map([...cores].map(([zone, cpu]) => [zone, cpu / total]));
}

/**
 * Which zone each endpoint is for: its own, but for those that are moved from zones with more than their share to zones
 * with less. A text says why there can be no hints. Pure.
 */
export function topologyHints(
  endpoints: readonly Endpoint[],
  shares: ReadonlyMap<string, number>,
): Map<Endpoint, string> | string {
  const ready = endpoints.filter(({ conditions }) => conditions?.ready);
  if (ready.length < shares.size) return 'Insufficient number of endpoints';
  if (ready.some(({ zone }) => zone === undefined)) return 'One or more endpoints do not have a zone specified';
  const wanted = new Map([...shares].map(([zone, share]) => [zone, share * ready.length]));
  const least = new Map([...wanted].map(([zone, count]) => [zone, Math.ceil(count / OVERLOAD)]));
  if ([...least.values()].reduce((sum, count) => sum + count, 0) > ready.length) {
    return 'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold';
  }
  const given = new Map(ready.map((endpoint) => [endpoint, endpoint.zone!]));
  const countOf = (zone: string) => [...given.values()].filter((one) => one === zone).length;
  for (const [zone, minimum] of least) {
    for (let missing = minimum - countOf(zone); missing > 0; missing--) {
      const giver = [...given].find(([, from]) => countOf(from) - 1 >= (least.get(from) ?? 0) && from !== zone);
      if (giver) given.set(giver[0], zone);
    }
  }
  return given;
}

/** The slices with hints for zones, and what became of that for each family. Pure. */
export function withTopology(
  wanted: readonly WantedSlice[],
  shares: ReadonlyMap<string, number> | string,
): { slices: WantedSlice[]; outcomes: string[] } {
  const outcomes: string[] = [];
  const hints = new Map<Endpoint, string>();
  for (const family of new Set(wanted.map(({ addressType }) => addressType))) {
    const endpoints = wanted.filter(({ addressType }) => addressType === family).flatMap((slice) => slice.endpoints);
    const found = typeof shares === 'string' ? shares : topologyHints(endpoints, shares);
    outcomes.push(`${typeof found === 'string' ? found : ENABLED}, addressType: ${family}`);
    if (typeof found !== 'string') for (const [endpoint, zone] of found) hints.set(endpoint, zone);
  }
  const slices = wanted.map((slice) => ({
    ...slice,
    endpoints: slice.endpoints.map((one) => hinted(one, hints.get(one))),
  }));
  return { slices, outcomes };
}

export const ENABLED = 'Topology Aware Hints has been enabled';

function hinted(endpoint: Endpoint, zone: string | undefined): Endpoint {
  const { hints: _hints, ...bare } = endpoint;
  return zone === undefined ? bare : { ...bare, hints: { forZones: [{ name: zone }] } };
}
