import { isNotFound } from '../api/errors.ts';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice, Service } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { type Backend, type BackendPort, backendsOf, portsIn } from './backends.ts';
import { controllerRef } from './common.ts';
import { hintsFor } from './hints.ts';
import type { ControllersOptions } from './options.ts';
import { selectionOf } from './selection.ts';

export const SERVICE_NAME = 'kubernetes.io/service-name';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const MANAGER = 'endpointslice-controller.k8s.io';
const MAX_ENDPOINTS = 100;

type Endpoint = EndpointSlice['endpoints'][number];

/** A slice as it should be; `name` when one of the present slices is reused. */
export interface WantedSlice {
  readonly name?: string;
  readonly ports: readonly BackendPort[];
  readonly endpoints: readonly Endpoint[];
}

/** Annotation: when what made a slice change happened; how fast rules follow is measured from then. */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';

interface SliceOptions extends ControllersOptions {
  /** Service key → when the first change came that its slices do not show yet, in milliseconds since the epoch. */
  readonly triggers: Map<string, number>;
}

/** Keeps the EndpointSlices of every Service with a selector. */
export function startEndpointSlices(common: ControllersOptions): void {
  const options: SliceOptions = { ...common, triggers: new Map() };
  const { informers, clock, triggers } = options;
  const selection = selectionOf(informers);
  const controller = startController({
    ...options,
    name: 'endpointslice',
    reconcile: (key) => reconcile(options, key).then(() => void triggers.delete(key)),
  });
  informers.of(services).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  informers.of(endpointSlices).subscribe(({ object }) => {
    const service = object.metadata.labels?.[SERVICE_NAME];
    if (service && isOurs(object)) controller.enqueue(`${object.metadata.namespace}/${service}`);
  });
  informers.of(pods).subscribe((change) => {
    const versions = change.type === 'updated' ? [change.old, change.object] : [change.object];
    for (const { metadata } of versions) {
      const found = selection.servicesOf(metadata.namespace ?? '', metadata.labels ?? {});
      for (const key of found.map(objectKey)) {
        if (!triggers.has(key)) triggers.set(key, clock.now());
        controller.enqueue(key);
      }
    }
  });
}

function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[MANAGED_BY] === MANAGER;
}

async function reconcile(options: SliceOptions, key: string): Promise<void> {
  const { name, namespace } = splitKey(key);
  await Promise.all(
    [services, pods, endpointSlices].map((kind) => options.informers.of(kind as typeof services).whenSynced()),
  );
  const service = options.informers.of(services).get(name, namespace);
  const present = options.informers
    .of(endpointSlices)
    .list(namespace)
    .filter((slice) => slice.metadata.labels?.[SERVICE_NAME] === name && isOurs(slice));
  const wants = service?.spec?.selector && service.spec.type !== 'ExternalName' && !service.metadata.deletionTimestamp;
  if (!service || !wants) {
    await Promise.all(present.map((slice) => remove(options, slice)));
    return;
  }
  const backends = backendsOf(service, selectionOf(options.informers).podsOf(service));
  const zoneOf = (node: string) =>
    options.informers.of(nodes).get(node)?.metadata.labels?.['topology.kubernetes.io/zone'];
  const wanted = planSlices({ service, backends, present, zoneOf });
  await apply(options, { service, present, wanted });
}

export interface PlanInputs {
  readonly service: Service;
  readonly backends: readonly Backend[];
  readonly present: readonly EndpointSlice[];
  readonly zoneOf: (node: string) => string | undefined;
}

/** Which slices a Service should have. Endpoints stay in the slice where they are; each set of ports has slices of its own. */
export function planSlices({ service, backends, present, zoneOf }: PlanInputs): WantedSlice[] {
  const groups = new Map<string, { ports: BackendPort[]; endpoints: Endpoint[] }>();
  for (const backend of backends) {
    const ports = portsIn(service, backend.pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(toEndpoint(backend, service, zoneOf));
  }
  if (groups.size === 0) groups.set('', { ports: (service.spec?.ports ?? []).flatMap(placeholder), endpoints: [] });
  return [...groups.values()].flatMap(({ ports, endpoints }) =>
    distribute(
      { ports, endpoints },
      present.filter((slice) => samePorts(slice, ports) || groups.size === 1),
    ),
  );
}

/** Ports of a Service without any pod: what is known without one. */
function placeholder(port: NonNullable<NonNullable<Service['spec']>['ports']>[number]): BackendPort[] {
  const target = port.targetPort ?? port.port;
  if (typeof target !== 'number') return [];
  return [{ name: port.name ?? '', protocol: (port.protocol ?? 'TCP') as BackendPort['protocol'], port: target }];
}

function samePorts(slice: EndpointSlice, ports: readonly BackendPort[]): boolean {
  return portsText(slice.ports ?? []) === portsText(ports);
}

function portsText(ports: readonly { name?: string; protocol?: string; port?: number }[]): string {
  return ports.map(({ name = '', protocol = 'TCP', port }) => `${name}/${protocol}/${port}`).join(',');
}

function distribute(
  group: { ports: BackendPort[]; endpoints: Endpoint[] },
  present: readonly EndpointSlice[],
): WantedSlice[] {
  const byUid = new Map(group.endpoints.map((endpoint) => [endpoint.targetRef!.uid!, endpoint]));
  const slices = present.map((slice) => {
    const kept = slice.endpoints
      .map((endpoint) => byUid.get(endpoint.targetRef?.uid ?? ''))
      .filter((endpoint) => endpoint !== undefined);
    for (const endpoint of kept) byUid.delete(endpoint.targetRef!.uid!);
    return { name: slice.metadata.name, ports: group.ports, endpoints: kept };
  });
  const rest = [...byUid.values()];
  for (const slice of slices) slice.endpoints.push(...rest.splice(0, MAX_ENDPOINTS - slice.endpoints.length));
  const used: WantedSlice[] = slices.filter((slice) => slice.endpoints.length > 0);
  while (rest.length > 0) used.push({ ports: group.ports, endpoints: rest.splice(0, MAX_ENDPOINTS) });
  return used.length > 0 ? used : [{ name: slices[0]?.name, ports: group.ports, endpoints: [] }];
}

function toEndpoint(backend: Backend, service: Service, zoneOf: PlanInputs['zoneOf']): Endpoint {
  const { pod, ip, ready, serving, terminating } = backend;
  const { name, namespace, uid } = pod.metadata;
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName && zoneOf(nodeName);
  const named = pod.spec?.hostname && pod.spec.subdomain === service.metadata.name;
  const endpoint: Endpoint = {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(named ? { hostname: pod.spec!.hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: { kind: 'Pod', name, namespace, uid },
    ...(zone ? { zone } : {}),
  };
  return { ...endpoint, ...hintsFor(service, endpoint) };
}

interface Applied {
  readonly service: Service;
  readonly present: readonly EndpointSlice[];
  readonly wanted: readonly WantedSlice[];
}

async function apply(options: SliceOptions, { service, present, wanted }: Applied): Promise<void> {
  const names = new Set(wanted.map((slice) => slice.name));
  await Promise.all([
    ...present.filter((slice) => !names.has(slice.metadata.name)).map((slice) => remove(options, slice)),
    ...wanted.map((slice) =>
      write(options, service, { slice, old: present.find((old) => old.metadata.name === slice.name) }),
    ),
  ]);
}

async function write(
  { client, triggers }: SliceOptions,
  service: Service,
  { slice, old }: { slice: WantedSlice; old: EndpointSlice | undefined },
): Promise<void> {
  const { name, namespace, labels: own } = service.metadata;
  const headless: Record<string, string> =
    service.spec?.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {};
  const labels: Record<string, string> = { ...own, ...headless, [SERVICE_NAME]: name, [MANAGED_BY]: MANAGER };
  const triggered = triggers.get(`${namespace}/${name}`);
  const annotations: Record<string, string> =
    triggered === undefined ? {} : { [TRIGGER_TIME]: new Date(triggered).toISOString() };
  const content = { endpoints: [...slice.endpoints], ports: [...slice.ports] };
  if (!old) {
    const metadata = {
      generateName: `${name}-`,
      namespace,
      labels,
      annotations,
      ownerReferences: [controllerRef(services, service)],
    };
    await client.create(endpointSlices, { metadata, addressType: 'IPv4', ...content });
    return;
  }
  const same = JSON.stringify([old.endpoints ?? [], portsText(old.ports ?? []), sortedPairs(old.metadata.labels)]);
  if (same === JSON.stringify([content.endpoints, portsText(content.ports), sortedPairs(labels)])) return;
  await client.update(endpointSlices, { ...old, metadata: { ...old.metadata, labels, annotations }, ...content });
}

function sortedPairs(labels: Record<string, string> | undefined): [string, string][] {
  return Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}

async function remove({ client }: ControllersOptions, slice: EndpointSlice): Promise<void> {
  const { name, namespace } = slice.metadata;
  await client.delete(endpointSlices, { name, namespace }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}
