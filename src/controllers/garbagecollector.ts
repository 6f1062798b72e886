import { isConflict, isNotFound } from '../api/errors.ts';
import type { Resource } from '../api/resource.ts';
import type { KubeObject, OwnerReference } from '../api/types.ts';
import { objectKey } from '../client/informer.ts';
import { type Controller, startController } from '../client/reconcile.ts';
import { type Entry, Graph, isWaiting, ownersOf } from './garbagecollector/graph.ts';
import { type Kinds, kindsOf } from './kinds.ts';
import type { ControllersOptions } from './options.ts';

/** Kinds that own nothing and are owned by nothing, in numbers too large to follow. */
const UNFOLLOWED = new Set(['events', 'leases']);
const isFollowed = ({ plural }: Resource) => !UNFOLLOWED.has(plural);

/** Deletes what has lost its owners, and holds or frees owners that are deleted in the foreground or as orphans. */
export function startGarbageCollector(options: ControllersOptions): void {
  new Collector(options).start();
}

/** What is known of an owner. */
type Owner = 'present' | 'waiting' | 'absent';
type Propagation = 'Background' | 'Foreground' | 'Orphan';

class Collector {
  readonly #options: ControllersOptions;
  readonly #kinds: Kinds;
  readonly #graph = new Graph();
  readonly #controller: Controller;

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#kinds = kindsOf(options);
    this.#controller = startController({
      ...options,
      name: 'garbagecollector',
      workers: 8,
      reconcile: (uid) => this.#reconcile(uid),
    });
  }

  start(): void {
    this.#kinds.follow(({ resource, informer, signal }) => {
      if (!isFollowed(resource)) return;
      informer.subscribe((change) => {
        for (const uid of this.#graph.change(resource, change)) this.#controller.enqueue(uid);
      });
      signal.addEventListener('abort', () => this.#graph.drop(resource), { once: true });
    });
  }

  async #reconcile(uid: string): Promise<void> {
    await this.#kinds.whenSynced(isFollowed);
    const entry = this.#graph.get(uid);
    if (!entry) return;
    const { finalizers = [], deletionTimestamp } = entry.object.metadata;
    if (!deletionTimestamp) await this.#collect(entry);
    else if (finalizers.includes('orphan')) await this.#orphan(entry);
    else if (finalizers.includes('foregroundDeletion')) await this.#foreground(entry);
  }

  /** Deletes an object that none of its owners keeps; takes away references to those that do not while others do. */
  async #collect(entry: Entry): Promise<void> {
    const owners = ownersOf(entry.object);
    if (owners.length === 0) return;
    const states = await Promise.all(owners.map((owner) => this.#stateOf(entry, owner)));
    const keepers = owners.filter((_, index) => states[index] === 'present');
    if (keepers.length > 0) {
      if (keepers.length < owners.length) await this.#setOwners(entry, keepers);
      return;
    }
    await this.#delete(entry, this.#propagation(entry, states.includes('waiting')));
  }

  #propagation({ object }: Entry, ownerWaits: boolean): Propagation {
    const { finalizers = [], uid } = object.metadata;
    if (ownerWaits && this.#graph.dependents(uid!).length > 0) return 'Foreground';
    if (finalizers.includes('orphan')) return 'Orphan';
    return finalizers.includes('foregroundDeletion') ? 'Foreground' : 'Background';
  }

  async #stateOf(entry: Entry, owner: OwnerReference): Promise<Owner> {
    const { namespace } = entry.object.metadata;
    const known = this.#graph.get(owner.uid);
    const resource = known?.resource ?? this.#kinds.find(owner);
    // An owner of a kind that is not served, or of a cluster-scoped object in some namespace, can't be judged.
    if (!resource || (resource.namespaced && namespace === undefined)) return 'present';
    if (known && (!resource.namespaced || known.object.metadata.namespace === namespace)) {
      return isWaiting(known.object) ? 'waiting' : 'present';
    }
    if (known) {
      this.#recordForeign(entry, owner);
      return 'absent';
    }
    return this.#ask(resource, owner, namespace);
  }

  /** The caches may be behind: only the server knows that somebody does not exist. */
  async #ask(resource: Resource, owner: OwnerReference, namespace: string | undefined): Promise<Owner> {
    try {
      const live = await this.#options.client.get(resource, {
        name: owner.name,
        ...(resource.namespaced && namespace ? { namespace } : {}),
      });
      if (live.metadata.uid !== owner.uid) return 'absent';
      return isWaiting(live) ? 'waiting' : 'present';
    } catch (error) {
      if (isNotFound(error)) return 'absent';
      throw error;
    }
  }

  #recordForeign({ object }: Entry, { apiVersion, kind, name, uid }: OwnerReference): void {
    const { namespace } = object.metadata;
    const text = `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
    const message = `ownerRef ${text} does not exist in namespace ${JSON.stringify(namespace)}`;
    this.#options.recorder.record(object, { type: 'Warning', reason: 'OwnerRefInvalidNamespace', message });
  }

  /** What an owner waits for goes first; the owner goes when nothing that blocks it is left. */
  async #foreground({ object, resource }: Entry): Promise<void> {
    const { uid } = object.metadata;
    const dependents = this.#graph.dependents(uid!);
    const staying = dependents.filter((dependent) => !dependent.object.metadata.deletionTimestamp);
    await Promise.all(staying.map((dependent) => this.#collect(dependent)));
    const blocking = dependents.filter((dependent) =>
      ownersOf(dependent.object).some((owner) => owner.uid === uid && owner.blockOwnerDeletion),
    );
    if (blocking.length === 0) await this.#removeFinalizer({ object, resource }, 'foregroundDeletion');
  }

  async #orphan(owner: Entry): Promise<void> {
    const { uid } = owner.object.metadata;
    const dependents = this.#graph.dependents(uid!);
    await Promise.all(
      dependents.map((dependent) =>
        this.#setOwners(
          dependent,
          ownersOf(dependent.object).filter((ref) => ref.uid !== uid),
        ),
      ),
    );
    await this.#removeFinalizer(owner, 'orphan');
  }

  #setOwners(entry: Entry, owners: readonly OwnerReference[]): Promise<void> {
    return this.#patch(entry, { ownerReferences: owners.length > 0 ? owners : null });
  }

  #removeFinalizer(entry: Entry, name: string): Promise<void> {
    const finalizers = entry.object.metadata.finalizers!.filter((finalizer) => finalizer !== name);
    return this.#patch(entry, { finalizers: finalizers.length > 0 ? finalizers : null });
  }

  /** Throws Conflict when the object has changed: it is looked at anew. */
  async #patch({ resource, object }: Entry, metadata: object): Promise<void> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const body = { metadata: { uid, resourceVersion, ...metadata } };
    await this.#options.client.patch(resource, { name, namespace }, { type: 'merge', body }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }

  async #delete({ resource, object }: Entry, propagationPolicy: Propagation): Promise<void> {
    const { name, namespace, uid } = object.metadata;
    const options = { propagationPolicy, preconditions: { uid } };
    await this.#options.client.delete(resource, { name, namespace }, options).catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
    this.#options.log.info('collected', { kind: resource.kind, key: objectKey(object as KubeObject) });
  }
}
