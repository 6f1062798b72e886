import { endpoints } from '../api/kinds/endpoints.ts';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice, Endpoints } from '../api/types.ts';
import { Index } from '../client/index-by.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { PendingWrites } from '../client/pending-writes.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { controllerRef, ignoreGone, sameContent } from './common.ts';
import { type Mirrored, planMirror } from './endpointslicemirroring/plan.ts';
import type { ControllersOptions } from './options.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const MANAGER = 'endpointslicemirroring-controller.k8s.io';
const SKIP = 'endpointslice.kubernetes.io/skip-mirror';
const LEADER = 'control-plane.alpha.kubernetes.io/leader';
const NOT_COPIED = [
  'endpoints.kubernetes.io/last-change-trigger-time',
  'kubectl.kubernetes.io/last-applied-configuration',
];
const SETTLE_MS = 5000;

/** Mirrors Endpoints that people made, for Services without a selector, in EndpointSlices. */
export function startEndpointSliceMirroring(options: ControllersOptions): void {
  const { informers } = options;
  const mirror = new Mirror(options);
  const controller = startController({
    ...options,
    name: 'endpointslicemirroring',
    reconcile: (key) => mirror.reconcile(key),
  });
  informers.of(endpoints).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  informers.of(services).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  informers.of(endpointSlices).subscribe(({ object }) => {
    if (isOurs(object)) controller.enqueue(serviceKey(object));
  });
}

function isOurs({ metadata }: EndpointSlice): boolean {
  return metadata.labels?.[MANAGED_BY] === MANAGER;
}

function serviceKey({ metadata }: EndpointSlice): string {
  return `${metadata.namespace}/${metadata.labels?.[SERVICE_NAME]}`;
}

class Mirror {
  readonly #options: ControllersOptions;
  readonly #pending: PendingWrites<EndpointSlice>;
  readonly #slices: Index<EndpointSlice>;

  constructor(options: ControllersOptions) {
    const cache = options.informers.of(endpointSlices);
    this.#options = options;
    this.#pending = new PendingWrites(cache);
    this.#slices = new Index(cache, (slice) => (isOurs(slice) ? serviceKey(slice) : undefined));
  }

  async reconcile(key: string): Promise<Outcome> {
    const { informers } = this.#options;
    const { name, namespace } = splitKey(key);
    const caches = [informers.of(endpoints), informers.of(services), informers.of(endpointSlices)];
    await Promise.all(caches.map((cache) => cache.whenSynced()));
    if (!this.#pending.isSettled(key)) return { again: SETTLE_MS };
    const object = informers.of(endpoints).get(name, namespace);
    const service = informers.of(services).get(name, namespace);
    const wanted = service && !service.spec?.selector && object && isMirrored(object) ? planMirror(object) : undefined;
    if (object && wanted) this.#recordProblems(object, wanted);
    const present = this.#slices.get(key);
    const used = new Set<EndpointSlice>();
    for (const slice of wanted?.slices ?? []) {
      const old = present.find((one) => !used.has(one) && isSlotOf(one, slice));
      if (old) used.add(old);
      await this.#write(key, object!, { slice, old });
    }
    await Promise.all(present.filter((slice) => !used.has(slice)).map((slice) => this.#remove(key, slice)));
    if (!object && !service) this.#pending.forget(key);
    return undefined;
  }

  #recordProblems(object: Endpoints, { skipped, invalid }: Mirrored): void {
    const { recorder } = this.#options;
    if (skipped > 0) {
      const message = `A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`;
      recorder.record(object, { type: 'Warning', reason: 'TooManyAddressesToMirror', message });
    }
    if (invalid > 0) {
      const message = `Skipped ${invalid} invalid IP addresses when mirroring to EndpointSlices`;
      recorder.record(object, { type: 'Warning', reason: 'InvalidIPAddress', message });
    }
  }

  async #write(
    key: string,
    owner: Endpoints,
    { slice, old }: { slice: Mirrored['slices'][number]; old: EndpointSlice | undefined },
  ): Promise<void> {
    const { client } = this.#options;
    const { name, namespace } = owner.metadata;
    const labels = { ...owner.metadata.labels, [SERVICE_NAME]: name, [MANAGED_BY]: MANAGER };
    const kept = Object.entries(owner.metadata.annotations ?? {}).filter(([note]) => !NOT_COPIED.includes(note));
    const annotations = Object.fromEntries(kept);
    const { addressType, ports, endpoints: list } = slice;
    if (!old) {
      const metadata = {
        generateName: `${name}-`,
        namespace,
        labels,
        annotations,
        ownerReferences: [controllerRef(endpoints, owner)],
      };
      this.#pending.wrote(key, await client.create(endpointSlices, { metadata, addressType, ports, endpoints: list }));
      return;
    }
    const now = [old.endpoints ?? [], old.metadata.labels ?? {}, old.metadata.annotations ?? {}];
    if (sameContent(now, [list, labels, annotations])) return;
    const metadata = { ...old.metadata, labels, annotations };
    this.#pending.wrote(key, await client.update(endpointSlices, { ...old, metadata, ports, endpoints: list }));
  }

  async #remove(key: string, slice: EndpointSlice): Promise<void> {
    const { name, namespace, uid } = slice.metadata;
    this.#pending.deleting(key, slice);
    await this.#options.client
      .delete(endpointSlices, { name, namespace }, { preconditions: { uid } })
      .catch((error: unknown) => {
        this.#pending.notDeleting(key, slice);
        ignoreGone(error);
      });
  }
}

function isMirrored({ metadata }: Endpoints): boolean {
  return (
    metadata.labels?.[SKIP] !== 'true' && metadata.annotations?.[LEADER] === undefined && !metadata.deletionTimestamp
  );
}

/** A slice is rewritten for the same ports and family. */
function isSlotOf(old: EndpointSlice, { addressType, ports }: Mirrored['slices'][number]): boolean {
  return old.addressType === addressType && sameContent(old.ports ?? [], ports);
}
