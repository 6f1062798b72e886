import { isNotFound } from '../api/errors.ts';
import { endpoints } from '../api/kinds/endpoints.ts';
import { pods } from '../api/kinds/pod.ts';
import { services } from '../api/kinds/service.ts';
import type { Endpoints, Service } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { type Backend, backendsOf, portsIn } from './backends.ts';
import type { ControllersOptions } from './options.ts';
import { selectionOf } from './selection.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];

/** Addresses that one Endpoints object may hold. */
const MAX_ADDRESSES = 1000;
export const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';

/** Keeps the Endpoints of every Service with a selector, for clients of the older API. */
export function startEndpoints(options: ControllersOptions): void {
  const { informers } = options;
  const selection = selectionOf(informers);
  const controller = startController({ ...options, name: 'endpoints', reconcile: (key) => reconcile(options, key) });
  informers.of(services).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  informers.of(endpoints).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  informers.of(pods).subscribe((change) => {
    const versions = change.type === 'updated' ? [change.old, change.object] : [change.object];
    for (const { metadata } of versions) {
      const found = selection.servicesOf(metadata.namespace ?? '', metadata.labels ?? {});
      for (const service of found) controller.enqueue(objectKey(service));
    }
  });
}

const MANAGED = 'endpoints.kubernetes.io/managed-by';
const MANAGER = 'endpoint-controller';

async function reconcile({ client, informers }: ControllersOptions, key: string): Promise<void> {
  const { name, namespace } = splitKey(key);
  await Promise.all([services, pods, endpoints].map((kind) => informers.of(kind as typeof services).whenSynced()));
  const service = informers.of(services).get(name, namespace);
  const present = informers.of(endpoints).get(name, namespace);
  if (!service) {
    if (present?.metadata.labels?.[MANAGED] === MANAGER)
      await client.delete(endpoints, { name, namespace }).catch(ignoreNotFound);
    return;
  }
  if (!service.spec?.selector || service.spec.type === 'ExternalName') return;
  const wanted = planEndpoints(service, backendsOf(service, selectionOf(informers).podsOf(service)));
  const labels = { ...service.metadata.labels, [MANAGED]: MANAGER };
  const annotations = { ...present?.metadata.annotations };
  delete annotations[OVER_CAPACITY];
  if (wanted.overCapacity) annotations[OVER_CAPACITY] = 'truncated';
  const metadata = { ...present?.metadata, name, namespace, labels, annotations };
  if (!present) {
    await client.create(endpoints, { metadata, subsets: wanted.subsets });
    return;
  }
  const same = (object: Pick<Endpoints, 'subsets' | 'metadata'>) =>
    JSON.stringify([
      object.subsets ?? [],
      Object.entries(object.metadata.labels ?? {}).sort(),
      object.metadata.annotations ?? {},
    ]);
  if (same(present) === same({ metadata, subsets: wanted.subsets })) return;
  await client.update(endpoints, { ...present, metadata, subsets: wanted.subsets });
}

function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}

/** The subsets of a Service: addresses with the same ports together, sorted; ready ones first when there are too many. */
export function planEndpoints(
  service: Service,
  backends: readonly Backend[],
): { subsets: Subset[]; overCapacity: boolean } {
  const usable = backends.filter((backend) => !backend.terminating || service.spec?.publishNotReadyAddresses);
  const kept = usable.toSorted((a, b) => Number(b.ready) - Number(a.ready)).slice(0, MAX_ADDRESSES);
  const groups = new Map<string, Subset>();
  for (const backend of kept) {
    const ports = portsIn(service, backend.pod).map(({ name, ...port }) => (name ? { name, ...port } : port));
    const subset: Subset = groups.get(JSON.stringify(ports)) ?? { ports };
    groups.set(JSON.stringify(ports), subset);
    const list = backend.ready ? 'addresses' : 'notReadyAddresses';
    const addresses = subset[list] ?? [];
    subset[list] = addresses;
    addresses.push(toAddress(backend, service));
  }
  return { subsets: [...groups.values()].map(inOrder), overCapacity: usable.length > MAX_ADDRESSES };
}

function inOrder({ addresses, notReadyAddresses, ports }: Subset): Subset {
  return {
    ...(addresses ? { addresses: addresses.sort(byIp) } : {}),
    ...(notReadyAddresses ? { notReadyAddresses: notReadyAddresses.sort(byIp) } : {}),
    ports,
  };
}

function toAddress({ ip, pod }: Backend, service: Service): Address {
  const { name, namespace, uid } = pod.metadata;
  const hostname =
    pod.spec?.hostname && pod.spec.subdomain === service.metadata.name ? { hostname: pod.spec.hostname } : {};
  return { ip, ...hostname, nodeName: pod.spec?.nodeName, targetRef: { kind: 'Pod', name, namespace, uid } };
}

function byIp(a: Address, b: Address): number {
  const number = (ip: string) => ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return number(a.ip) - number(b.ip);
}
