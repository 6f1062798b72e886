import { isDeepStrictEqual } from 'node:util';
import type { EndpointSlice, Service } from '../../api/types.ts';
import { addressIn, type Backend, type BackendPort, type Family, familiesOf, portsIn } from '../backends.ts';
import { hintsFor } from '../hints.ts';

/** Endpoints that one slice may hold. */
export const MAX_ENDPOINTS = 100;

type Endpoint = EndpointSlice['endpoints'][number];

/** A slice as it should be; `name` when one of the present slices becomes it. */
export interface WantedSlice {
  readonly name?: string | undefined;
  readonly addressType: Family;
  readonly ports: readonly BackendPort[];
  readonly endpoints: readonly Endpoint[];
}

export interface PlanInputs {
  readonly service: Service;
  readonly backends: readonly Backend[];
  readonly present: readonly EndpointSlice[];
  readonly zoneOf: (node: string) => string | undefined;
}

/**
 * Which slices a Service should have. An endpoint stays in the slice where it is; new ones go to slices that are written
 * anyway, then to the one that they fill best, then to new ones; a slice that would be deleted becomes one that would be made. Pure.
 */
export function planSlices(inputs: PlanInputs): WantedSlice[] {
  return familiesOf(inputs.service).flatMap((family) => planFamily(inputs, family));
}

interface Group {
  readonly ports: BackendPort[];
  readonly endpoints: Endpoint[];
}

function planFamily(inputs: PlanInputs, family: Family): WantedSlice[] {
  const groups = groupByPorts(inputs, family);
  const present = inputs.present.filter((slice) => slice.addressType === family);
  const planned = [...groups].flatMap(([text, { ports, endpoints }]) => {
    const own = present.filter((slice) => portsText(slice.ports ?? []) === text);
    return distribute(endpoints, own).map((slice): WantedSlice => ({ ...slice, addressType: family, ports }));
  });
  // A Service without endpoints has one slice that says so.
  const wanted = planned.length > 0 ? planned : [{ addressType: family, ports: [], endpoints: [] }];
  const spare = present.map(({ metadata }) => metadata.name).filter((name) => !wanted.some((one) => one.name === name));
  return wanted.map((slice) => (slice.name === undefined ? { ...slice, name: spare.shift() } : slice));
}

/** Named ports may be other numbers in each pod: each set of ports has slices of its own. */
function groupByPorts({ service, backends, zoneOf }: PlanInputs, family: Family): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const backend of backends) {
    const address = addressIn(backend, family);
    if (address === undefined) continue;
    const ports = portsIn(service, backend.pod);
    const text = portsText(ports);
    const group = groups.get(text) ?? { ports, endpoints: [] };
    groups.set(text, group);
    group.endpoints.push(toEndpoint(backend, { address, service, zoneOf }));
  }
  return groups;
}

/** Ports as one text, the same for a slice as it is stored. */
export function portsText(
  ports: readonly { name?: string; protocol?: string; port?: number; appProtocol?: string }[],
): string {
  return ports
    .map(({ name = '', protocol = 'TCP', port, appProtocol = '' }) => `${name}/${protocol}/${port}/${appProtocol}`)
    .sort()
    .join(',');
}

interface Share {
  readonly name?: string;
  readonly endpoints: Endpoint[];
}

interface Kept extends Share {
  readonly name: string;
  readonly changed: boolean;
}

function distribute(endpoints: readonly Endpoint[], present: readonly EndpointSlice[]): Share[] {
  const rest = new Map(endpoints.map((endpoint) => [identity(endpoint), endpoint]));
  const kept = present.map((slice) => keep(slice, rest)).filter((slice) => slice.endpoints.length > 0);
  const fresh = [...rest.values()];
  const fullestFirst = kept.filter(({ changed }) => changed).sort((a, b) => b.endpoints.length - a.endpoints.length);
  for (const slice of fullestFirst) fill(slice, fresh);
  if (fresh.length > 0 && fresh.length < MAX_ENDPOINTS) {
    const roomy = kept.filter(({ changed, endpoints: own }) => !changed && own.length + fresh.length <= MAX_ENDPOINTS);
    const best = roomy.sort((a, b) => b.endpoints.length - a.endpoints.length)[0];
    if (best) fill(best, fresh);
  }
  const made: Share[] = [];
  while (fresh.length > 0) made.push({ endpoints: fresh.splice(0, MAX_ENDPOINTS) });
  return [...kept.map(({ name, endpoints: own }) => ({ name, endpoints: own })), ...made];
}

/** What stays in a slice, as it is now; takes it from `rest`. */
function keep({ metadata, endpoints }: EndpointSlice, rest: Map<string, Endpoint>): Kept {
  const staying: Endpoint[] = [];
  let changed = false;
  for (const endpoint of endpoints ?? []) {
    const key = identity(endpoint);
    const wanted = rest.get(key);
    const same = wanted !== undefined && isDeepStrictEqual(wanted, endpoint);
    // What is stored already is handed back as it is, so that comparing it costs nothing.
    if (wanted) staying.push(same ? endpoint : wanted);
    changed ||= !same;
    rest.delete(key);
  }
  return { name: metadata.name, endpoints: staying, changed };
}

function fill({ endpoints }: Share, fresh: Endpoint[]): void {
  endpoints.push(...fresh.splice(0, MAX_ENDPOINTS - endpoints.length));
}

/** The same endpoint, whatever else has changed. */
function identity({ addresses, hostname = '', targetRef }: Endpoint): string {
  return `${addresses.join()} ${hostname} ${targetRef?.namespace}/${targetRef?.name}`;
}

function toEndpoint(
  { pod, ready, serving, terminating }: Backend,
  { address, service, zoneOf }: { address: string; service: Service; zoneOf: PlanInputs['zoneOf'] },
): Endpoint {
  const { name, namespace, uid } = pod.metadata;
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName && zoneOf(nodeName);
  const named = pod.spec?.hostname && pod.spec.subdomain === service.metadata.name;
  const endpoint: Endpoint = {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(named ? { hostname: pod.spec!.hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: { kind: 'Pod', name, namespace, uid },
    ...(zone ? { zone } : {}),
  };
  return { ...endpoint, ...hintsFor(service, endpoint) };
}
