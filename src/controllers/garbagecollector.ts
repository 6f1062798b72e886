import { isConflict, isNotFound } from '../api/errors.ts';
import { registry } from '../api/registry.ts';
import { apiVersion, type Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import { type Change, objectKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import type { ControllersOptions } from './options.ts';

interface Entry {
  readonly resource: Resource;
  readonly object: KubeObject;
}

/** Kinds that own nothing and are owned by nothing, in numbers too large to follow. */
const UNFOLLOWED = new Set(['events', 'leases']);

/** Deletes what has lost its owners, and holds or frees owners that are deleted in the foreground or as orphans. */
export function startGarbageCollector(options: ControllersOptions): void {
  new Collector(options).start();
}

class Collector {
  readonly #options: ControllersOptions;
  readonly #byUid = new Map<string, Entry>();
  /** Owner's uid → uids of what it owns. */
  readonly #dependents = new Map<string, Set<string>>();
  readonly #kinds = registry.filter((resource) => !UNFOLLOWED.has(resource.plural) && !resource.conversion);
  readonly #controller;

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#controller = startController({
      ...options,
      name: 'garbagecollector',
      workers: 8,
      reconcile: (uid) => this.#reconcile(uid),
    });
  }

  start(): void {
    for (const resource of this.#kinds) {
      this.#options.informers.of(resource).subscribe((change) => this.#onChange(resource, change));
    }
  }

  #onChange(resource: Resource, change: Change<KubeObject>): void {
    const { object } = change;
    const uid = object.metadata.uid!;
    const before = this.#byUid.get(uid)?.object.metadata.ownerReferences ?? [];
    for (const owner of before) this.#dependents.get(owner.uid)?.delete(uid);
    if (change.type === 'deleted') {
      this.#byUid.delete(uid);
      for (const owner of before) this.#controller.enqueue(owner.uid);
      for (const dependent of this.#dependents.get(uid) ?? []) this.#controller.enqueue(dependent);
      return;
    }
    this.#byUid.set(uid, { resource, object });
    for (const owner of object.metadata.ownerReferences ?? []) {
      const owned = this.#dependents.get(owner.uid) ?? new Set();
      this.#dependents.set(owner.uid, owned.add(uid));
    }
    const concerns = (object.metadata.ownerReferences?.length ?? 0) > 0 || object.metadata.deletionTimestamp;
    if (concerns) this.#controller.enqueue(uid);
  }

  async #reconcile(uid: string): Promise<void> {
    await Promise.all(this.#kinds.map((resource) => this.#options.informers.of(resource).whenSynced()));
    const entry = this.#byUid.get(uid);
    if (!entry) return;
    const finalizers = entry.object.metadata.finalizers ?? [];
    if (entry.object.metadata.deletionTimestamp) {
      if (finalizers.includes('orphan')) await this.#orphan(entry);
      else if (finalizers.includes('foregroundDeletion')) await this.#foreground(entry);
      return;
    }
    await this.#collect(entry);
  }

  /** Deletes an object none of whose owners exists any longer. */
  async #collect(entry: Entry): Promise<void> {
    const owners = entry.object.metadata.ownerReferences ?? [];
    if (owners.length === 0) return;
    for (const owner of owners) if (await this.#exists(entry, owner)) return;
    await this.#delete(entry, 'Background');
  }

  async #exists(
    entry: Entry,
    owner: { apiVersion: string; kind: string; name: string; uid: string },
  ): Promise<boolean> {
    if (this.#byUid.has(owner.uid)) return true;
    const resource = registry.find((row) => row.kind === owner.kind && apiVersion(row) === owner.apiVersion);
    // An owner of a kind that is not served can't be judged.
    if (!resource) return true;
    const namespace = resource.namespaced ? entry.object.metadata.namespace : undefined;
    try {
      const live = await this.#options.client.get(resource, { name: owner.name, namespace });
      return live.metadata.uid === owner.uid;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async #foreground(owner: Entry): Promise<void> {
    const dependents = this.#entries(owner);
    for (const dependent of dependents) {
      if (!dependent.object.metadata.deletionTimestamp) await this.#delete(dependent, 'Foreground');
    }
    const blocking = dependents.filter(({ object }) =>
      object.metadata.ownerReferences?.some((ref) => ref.uid === owner.object.metadata.uid && ref.blockOwnerDeletion),
    );
    if (blocking.length === 0) await this.#removeFinalizer(owner, 'foregroundDeletion');
  }

  async #orphan(owner: Entry): Promise<void> {
    for (const { resource, object } of this.#entries(owner)) {
      const ownerReferences = object.metadata.ownerReferences!.filter((ref) => ref.uid !== owner.object.metadata.uid);
      await this.#patch({ resource, object }, { ownerReferences: ownerReferences.length > 0 ? ownerReferences : null });
    }
    await this.#removeFinalizer(owner, 'orphan');
  }

  #entries(owner: Entry): Entry[] {
    const uids = [...(this.#dependents.get(owner.object.metadata.uid!) ?? [])];
    return uids.map((uid) => this.#byUid.get(uid)).filter((entry) => entry !== undefined);
  }

  async #removeFinalizer(entry: Entry, name: string): Promise<void> {
    const finalizers = entry.object.metadata.finalizers!.filter((finalizer) => finalizer !== name);
    await this.#patch(entry, { finalizers: finalizers.length > 0 ? finalizers : null });
  }

  async #patch({ resource, object }: Entry, metadata: object): Promise<void> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const body = { metadata: { uid, resourceVersion, ...metadata } };
    await this.#options.client.patch(resource, { name, namespace }, { type: 'merge', body }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }

  async #delete({ resource, object }: Entry, propagationPolicy: 'Background' | 'Foreground'): Promise<void> {
    const { name, namespace, uid } = object.metadata;
    const options = { propagationPolicy, preconditions: { uid } };
    await this.#options.client.delete(resource, { name, namespace }, options).catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
    this.#options.log.info('collected', { kind: resource.kind, key: objectKey(object) });
  }
}
