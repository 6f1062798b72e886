import type { Endpoints, Service } from '../../api/types.ts';
import { addressIn, type Backend, type BackendPort, familiesOf, portsIn } from '../backends.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];

/** Addresses that one Endpoints object may hold. */
export const MAX_ADDRESSES = 1000;

export interface PlannedEndpoints {
  readonly subsets: Subset[];
  /** There were more than {@link MAX_ADDRESSES}. */
  readonly truncated: boolean;
}

/** The Endpoints of a Service: addresses of its first family. Pure. */
export function planEndpoints(service: Service, backends: readonly Backend[]): PlannedEndpoints {
  const family = familiesOf(service)[0]!;
  const usable = backends.filter((backend) => !backend.terminating || service.spec?.publishNotReadyAddresses);
  const entries = usable.flatMap((backend): Entry[] => {
    const ip = addressIn(backend, family);
    if (ip === undefined) return [];
    const address = toAddress(backend, { ip, service });
    const ports = portsIn(service, backend.pod);
    // A headless Service may have no ports at all, but still addresses.
    const own = ports.length > 0 || service.spec?.ports?.length ? ports : [undefined];
    return own.map((port) => ({ address, ready: backend.ready, port }));
  });
  return truncate(pack(entries));
}

interface Entry {
  readonly address: Address;
  readonly ready: boolean;
  readonly port: BackendPort | undefined;
}

/** Ports with the same addresses, ready and not ready, are one subset (as Kubernetes repacks subsets). Pure. */
export function pack(entries: readonly Entry[]): Subset[] {
  const byPort = new Map<string, { port: BackendPort | undefined; addresses: Map<string, Entry> }>();
  for (const entry of entries) {
    const key = JSON.stringify(entry.port ?? null);
    const found = byPort.get(key) ?? { port: entry.port, addresses: new Map<string, Entry>() };
    byPort.set(key, found);
    const id = `${entry.address.ip} ${entry.address.targetRef?.uid ?? ''}`;
    // Not ready wins: what is said twice must hold twice.
    if (!found.addresses.has(id) || !entry.ready) found.addresses.set(id, entry);
  }
  const subsets = new Map<string, { ports: BackendPort[]; addresses: Entry[] }>();
  for (const { port, addresses } of byPort.values()) {
    const sorted = [...addresses].sort(([a], [b]) => (a < b ? -1 : 1));
    const key = sorted.map(([id, { ready }]) => `${id} ${ready}`).join();
    const subset = subsets.get(key) ?? { ports: [], addresses: sorted.map(([, entry]) => entry) };
    subsets.set(key, subset);
    if (port) subset.ports.push(port);
  }
  return [...subsets.values()].map(toSubset);
}

function toSubset({ ports, addresses }: { ports: BackendPort[]; addresses: Entry[] }): Subset {
  const of = (ready: boolean) => addresses.filter((entry) => entry.ready === ready).map(({ address }) => address);
  const [ready, notReady] = [of(true), of(false)];
  return {
    ...(ready.length > 0 ? { addresses: ready } : {}),
    ...(notReady.length > 0 ? { notReadyAddresses: notReady } : {}),
    ports: ports.map(({ name, ...port }) => (name ? { name, ...port } : port)),
  };
}

function toAddress({ pod }: Backend, { ip, service }: { ip: string; service: Service }): Address {
  const { name, namespace, uid } = pod.metadata;
  const named = pod.spec?.hostname && pod.spec.subdomain === service.metadata.name;
  const hostname = named ? { hostname: pod.spec!.hostname } : {};
  return { ip, ...hostname, nodeName: pod.spec?.nodeName, targetRef: { kind: 'Pod', name, namespace, uid } };
}

type List = 'addresses' | 'notReadyAddresses';

/** Ready addresses are kept before others; each subset keeps its share of what may stay. */
function truncate(subsets: Subset[]): PlannedEndpoints {
  const count = (list: List) => subsets.reduce((sum, subset) => sum + (subset[list]?.length ?? 0), 0);
  const [ready, notReady] = [count('addresses'), count('notReadyAddresses')];
  if (ready + notReady <= MAX_ADDRESSES) return { subsets, truncated: false };
  const keptReady = share(subsets, 'addresses', { keep: Math.min(ready, MAX_ADDRESSES), of: ready });
  const keptOthers = share(subsets, 'notReadyAddresses', { keep: Math.max(0, MAX_ADDRESSES - ready), of: notReady });
  const kept = subsets.map(
    ({ ports }, index): Subset => ({
      ...(keptReady[index]!.length > 0 ? { addresses: keptReady[index]! } : {}),
      ...(keptOthers[index]!.length > 0 ? { notReadyAddresses: keptOthers[index]! } : {}),
      ...(ports ? { ports } : {}),
    }),
  );
  return { subsets: kept.filter((subset) => subset.addresses || subset.notReadyAddresses), truncated: true };
}

function share(subsets: readonly Subset[], list: List, { keep, of }: { keep: number; of: number }): Address[][] {
  let left = keep;
  return subsets.map((subset) => {
    const all = subset[list] ?? [];
    const part = of === 0 ? 0 : Math.min(left, Math.ceil((all.length * keep) / of));
    left -= part;
    return all.slice(0, part);
  });
}
