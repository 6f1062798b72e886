import { isDeepStrictEqual } from 'node:util';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice, Service } from '../api/types.ts';
import { Index } from '../client/index-by.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { PendingWrites } from '../client/pending-writes.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { backendsOf } from './backends.ts';
import { podsByNode } from './claim.ts';
import { controllerOf, controllerRef, ignoreGone, sameContent } from './common.ts';
import { planSlices, portsText, type WantedSlice } from './endpointslice/plan.ts';
import { ENABLED, wantsTopologyHints, withTopology, zoneShares } from './endpointslice/topology.ts';
import type { ControllersOptions } from './options.ts';
import { selectionOf } from './selection.ts';

export const SERVICE_NAME = 'kubernetes.io/service-name';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const MANAGER = 'endpointslice-controller.k8s.io';
const ZONE = 'topology.kubernetes.io/zone';
const SETTLE_MS = 5000;

/** Annotation: when what made a slice change happened; how fast rules follow is measured from then. */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';

/** What the reconcile of one Service works with. */
interface Context extends ControllersOptions {
  readonly pending: PendingWrites<EndpointSlice>;
  /** Service key → when the first change came that its slices do not show yet, in milliseconds since the epoch. */
  readonly triggers: Map<string, number>;
  /** What was last said of a Service's hints by zones. */
  readonly topology: Map<string, readonly string[]>;
  /** Slices of this controller by Service. */
  readonly slices: Index<EndpointSlice>;
}

/** Keeps the EndpointSlices of every Service with a selector. */
export function startEndpointSlices(options: ControllersOptions): void {
  const { informers } = options;
  const selection = selectionOf(informers);
  const pending = new PendingWrites(informers.of(endpointSlices));
  const slices = new Index(informers.of(endpointSlices), (slice) => (isOurs(slice) ? serviceKey(slice) : undefined));
  const triggers = new Map<string, number>();
  const context: Context = { ...options, pending, triggers, topology: new Map(), slices };
  const controller = startController({
    ...options,
    name: 'endpointslice',
    reconcile: (key) => reconcile(context, key),
  });
  informers.of(services).subscribe(({ type, object }) => {
    if (type === 'deleted') pending.forget(objectKey(object));
    controller.enqueue(objectKey(object));
  });
  informers.of(endpointSlices).subscribe(({ object }) => {
    if (isOurs(object) && object.metadata.labels?.[SERVICE_NAME]) controller.enqueue(serviceKey(object));
  });
  informers.of(nodes).subscribe((change) => {
    const moved =
      change.type === 'updated' && change.old.metadata.labels?.[ZONE] !== change.object.metadata.labels?.[ZONE];
    if (change.type !== 'added' && !moved) return;
    for (const { metadata } of podsByNode(informers.of(pods)).get(change.object.metadata.name)) {
      const found = selection.servicesOf(metadata.namespace ?? '', metadata.labels ?? {});
      for (const service of found) controller.enqueue(objectKey(service));
    }
  });
  informers.of(pods).subscribe((change) => {
    const versions = change.type === 'updated' ? [change.old, change.object] : [change.object];
    for (const { metadata } of versions) {
      const found = selection.servicesOf(metadata.namespace ?? '', metadata.labels ?? {});
      for (const key of found.map(objectKey)) {
        if (!triggers.has(key)) triggers.set(key, options.clock.now());
        controller.enqueue(key);
      }
    }
  });
}

function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[MANAGED_BY] === MANAGER;
}

function serviceKey({ metadata }: EndpointSlice): string {
  return `${metadata.namespace}/${metadata.labels?.[SERVICE_NAME]}`;
}

async function reconcile(context: Context, key: string): Promise<Outcome> {
  const { informers, pending, slices } = context;
  const { name, namespace } = splitKey(key);
  const caches = [services, pods, nodes, endpointSlices].map((kind) => informers.of(kind as typeof services));
  await Promise.all(caches.map((cache) => cache.whenSynced()));
  const service = informers.of(services).get(name, namespace);
  // Slices go with their Service by garbage collection; those that stay behind belong to one of the same name.
  if (!service || service.metadata.deletionTimestamp) {
    context.triggers.delete(key);
    return undefined;
  }
  if (!pending.isSettled(key)) return { again: SETTLE_MS };
  const all = slices.get(key).filter(({ metadata }) => !metadata.deletionTimestamp);
  const present = all.filter((slice) => controllerOf(slice)?.uid === service.metadata.uid);
  await Promise.all(all.filter((slice) => !present.includes(slice)).map((slice) => remove(context, slice)));
  if (!service.spec?.selector || service.spec.type === 'ExternalName') {
    if (service.spec?.type === 'ExternalName') await Promise.all(present.map((slice) => remove(context, slice)));
    return undefined;
  }
  const backends = backendsOf(service, selectionOf(informers).podsOf(service));
  const zoneOf = (node: string) => informers.of(nodes).get(node)?.metadata.labels?.[ZONE];
  const wanted = hinted(context, service, planSlices({ service, backends, present, zoneOf }));
  await apply(context, { service, present, wanted });
  context.triggers.delete(key);
  return undefined;
}

/** The annotation for hints by zones wins over `trafficDistribution`. */
function hinted(context: Context, service: Service, wanted: WantedSlice[]): WantedSlice[] {
  const { informers, recorder, topology } = context;
  const key = objectKey(service);
  if (!wantsTopologyHints(service)) {
    topology.delete(key);
    return wanted;
  }
  const { slices, outcomes } = withTopology(wanted, zoneShares(informers.of(nodes).list()));
  for (const message of outcomes.filter((outcome) => !topology.get(key)?.includes(outcome))) {
    const enabled = message.startsWith(ENABLED);
    const reason = enabled ? 'TopologyAwareHintsEnabled' : 'TopologyAwareHintsDisabled';
    recorder.record(service, { type: enabled ? 'Normal' : 'Warning', reason, message });
  }
  topology.set(key, outcomes);
  return slices;
}

interface Applied {
  readonly service: Service;
  readonly present: readonly EndpointSlice[];
  readonly wanted: readonly WantedSlice[];
}

async function apply(options: Context, { service, present, wanted }: Applied): Promise<void> {
  const names = new Set(wanted.map((slice) => slice.name));
  await Promise.all([
    ...present.filter((slice) => !names.has(slice.metadata.name)).map((slice) => remove(options, slice)),
    ...wanted.map((slice) =>
      write(options, service, { slice, old: present.find((old) => old.metadata.name === slice.name) }),
    ),
  ]);
}

async function write(
  { client, pending, triggers }: Context,
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
    const made = await client.create(endpointSlices, { metadata, addressType: slice.addressType, ...content });
    pending.wrote(`${namespace}/${name}`, made);
    return;
  }
  const samePorts = portsText(old.ports ?? []) === portsText(content.ports);
  const sameEndpoints = isSame(old.endpoints ?? [], content.endpoints);
  if (samePorts && sameEndpoints && sameContent(old.metadata.labels, labels)) return;
  const written = await client.update(endpointSlices, {
    ...old,
    metadata: { ...old.metadata, labels, annotations },
    ...content,
  });
  pending.wrote(`${namespace}/${name}`, written);
}

type Endpoints = EndpointSlice['endpoints'];

function isSame(before: Endpoints, after: Endpoints): boolean {
  const identical = before.length === after.length && before.every((endpoint, index) => endpoint === after[index]);
  return identical || isDeepStrictEqual(before, after);
}

async function remove({ client, pending }: Context, slice: EndpointSlice): Promise<void> {
  const { name, namespace, uid } = slice.metadata;
  const key = serviceKey(slice);
  pending.deleting(key, slice);
  await client.delete(endpointSlices, { name, namespace }, { preconditions: { uid } }).catch((error: unknown) => {
    pending.notDeleting(key, slice);
    ignoreGone(error);
  });
}
