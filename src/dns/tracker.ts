import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice, Namespace, Service } from '../api/types.ts';
import { type Change, type Informer, type Informers, objectKey } from '../client/informer.ts';
import type { Clock } from '../lib/clock.ts';
import { type DnsRecord, serviceRecords } from './records.ts';
import type { Zone } from './zone.ts';

export interface TrackerOptions {
  readonly zone: Zone;
  readonly informers: Informers;
  readonly clock: Clock;
}

export interface Tracker {
  /** True once Services, their endpoints and namespaces are all known and in the zone. */
  readonly ready: boolean;
  stop(): void;
}

const SERVICE_LABEL = 'kubernetes.io/service-name';
/** The Service whose address is also the zone's name server. */
const DNS_SERVICE = 'kube-system/kube-dns';
/** Version of the "Kubernetes DNS-Based Service Discovery" schema. */
const SCHEMA_VERSION = '1.1.0';

/** Keeps the zone equal to the caches: each change rewrites the records of the Services that it concerns, no others. */
export function trackServices({ zone, informers, clock }: TrackerOptions): Tracker {
  const caches = {
    services: informers.of<Service>(services),
    slices: informers.of<EndpointSlice>(endpointSlices),
    namespaces: informers.of<Namespace>(namespaces),
  };
  const slices = new SliceIndex();
  const touch = () => {
    zone.serial = Math.floor(clock.now() / 1000);
  };
  const queue = batch((key) => {
    const service = serviceByKey(caches.services, key);
    zone.set(`service/${key}`, service && { records: recordsOf(zone, key, service, slices.of(key)) });
    touch();
  });
  zone.set('zone', { records: zoneRecords(zone.options.domain), names: zoneNames(zone.options.domain) });
  const subscriptions = [
    caches.services.subscribe((change) => queue.changed(objectKey(change.object))),
    caches.slices.subscribe((change) => {
      for (const key of slices.apply(change)) if (isHeadless(caches.services, key)) queue.changed(key);
    }),
    caches.namespaces.subscribe((change) => {
      setNamespace(zone, change);
      touch();
    }),
  ];
  let filled = false;
  return {
    get ready() {
      filled ||= caches.services.synced && caches.slices.synced && caches.namespaces.synced && queue.idle;
      return filled;
    },
    stop: () => {
      for (const unsubscribe of subscriptions) unsubscribe();
      queue.stop();
    },
  };
}

interface Batch {
  changed(key: string): void;
  /** Nothing waits. */
  readonly idle: boolean;
  stop(): void;
}

/** So many Services take a few milliseconds: then queries, and all else, have their turn. */
const BATCH_MAX = 500;

/** Folds the changes of one turn, such as a list's many slices of one Service, and applies them before the next query. */
function batch(apply: (key: string) => void): Batch {
  const waiting = new Set<string>();
  const flush = () => {
    let left = BATCH_MAX;
    for (const key of waiting) {
      waiting.delete(key);
      apply(key);
      if (--left === 0) break;
    }
    if (waiting.size > 0) setImmediate(flush);
  };
  return {
    changed: (key) => {
      if (waiting.size === 0) queueMicrotask(flush);
      waiting.add(key);
    },
    get idle() {
      return waiting.size === 0;
    },
    stop: () => waiting.clear(),
  };
}

function recordsOf(zone: Zone, key: string, service: Service, slices: readonly EndpointSlice[]): DnsRecord[] {
  const { domain } = zone.options;
  const records = serviceRecords({ service, slices, domain });
  if (key !== DNS_SERVICE) return records;
  const own = records.filter((record) => record.name === `kube-dns.kube-system.svc.${domain}` && record.type !== 'SRV');
  return [...records, ...own.map((record) => ({ ...record, name: `ns.dns.${domain}` }))];
}

function isHeadless(cache: Informer<Service>, key: string): boolean {
  return serviceByKey(cache, key)?.spec?.clusterIP === 'None';
}

function serviceByKey(cache: Informer<Service>, key: string): Service | undefined {
  const slash = key.indexOf('/');
  return cache.get(key.slice(slash + 1), key.slice(0, slash));
}

function zoneRecords(domain: string): DnsRecord[] {
  return [
    { name: domain, type: 'NS', data: `ns.dns.${domain}` },
    { name: `dns-version.${domain}`, type: 'TXT', data: SCHEMA_VERSION },
  ];
}

function zoneNames(domain: string): string[] {
  return [`svc.${domain}`, `pod.${domain}`, `ns.dns.${domain}`];
}

function setNamespace(zone: Zone, change: Change<Namespace>): void {
  const { name } = change.object.metadata;
  const { domain } = zone.options;
  const names = [`${name}.svc.${domain}`, `${name}.pod.${domain}`];
  zone.set(`namespace/${name}`, change.type === 'deleted' ? undefined : { records: [], names });
}

/** EndpointSlices by the Service that their label names. */
class SliceIndex {
  readonly #byService = new Map<string, Map<string, EndpointSlice>>();

  of(service: string): readonly EndpointSlice[] {
    return [...(this.#byService.get(service)?.values() ?? [])];
  }

  /** The Services that a change concerns: two when a slice was given to another. */
  apply(change: Change<EndpointSlice>): Set<string> {
    const touched = new Set<string>();
    const old = change.type === 'updated' ? change.old : change.type === 'deleted' ? change.object : undefined;
    const current = change.type === 'deleted' ? undefined : change.object;
    for (const slice of [old, current]) {
      const service = slice && serviceOf(slice);
      if (!service) continue;
      touched.add(service);
      if (slice === current) this.#put(service, slice);
      else this.#remove(service, slice);
    }
    return touched;
  }

  #put(service: string, slice: EndpointSlice): void {
    const slices = this.#byService.get(service) ?? new Map<string, EndpointSlice>();
    slices.set(objectKey(slice), slice);
    this.#byService.set(service, slices);
  }

  #remove(service: string, slice: EndpointSlice): void {
    const slices = this.#byService.get(service);
    slices?.delete(objectKey(slice));
    if (slices?.size === 0) this.#byService.delete(service);
  }
}

function serviceOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[SERVICE_LABEL];
  return name ? `${slice.metadata.namespace}/${name}` : undefined;
}
