import type { Resource } from '../../api/resource.ts';
import type { KubeObject, OwnerReference } from '../../api/types.ts';
import type { Change } from '../../client/informer.ts';

/** An object with the row of its kind. */
export interface Entry {
  readonly resource: Resource;
  readonly object: KubeObject;
}

/** Who owns whom, by uid. */
export class Graph {
  readonly #byUid = new Map<string, Entry>();
  /** Owner's uid → uids of what it owns. */
  readonly #dependents = new Map<string, Set<string>>();

  get(uid: string): Entry | undefined {
    return this.#byUid.get(uid);
  }

  dependents(uid: string): Entry[] {
    const uids = [...(this.#dependents.get(uid) ?? [])];
    return uids.map((dependent) => this.#byUid.get(dependent)).filter((entry) => entry !== undefined);
  }

  /** Resolves to the uids that a change is of interest to. */
  change(resource: Resource, { type, object }: Change<KubeObject>): string[] {
    const uid = object.metadata.uid!;
    const before = ownersOf(this.#byUid.get(uid)?.object);
    for (const owner of before) this.#unlink(owner.uid, uid);
    if (type === 'deleted') {
      this.#byUid.delete(uid);
      return [...before.map((owner) => owner.uid), ...(this.#dependents.get(uid) ?? [])];
    }
    this.#byUid.set(uid, { resource, object });
    const owners = ownersOf(object);
    for (const owner of owners)
      this.#dependents.set(owner.uid, (this.#dependents.get(owner.uid) ?? new Set()).add(uid));
    const lost = before.filter((old) => !owners.some((owner) => owner.uid === old.uid)).map((owner) => owner.uid);
    return [...(owners.length > 0 || object.metadata.deletionTimestamp ? [uid] : []), ...lost];
  }

  /** Forgets all objects of a kind. */
  drop(resource: Resource): void {
    for (const [uid, entry] of this.#byUid) {
      if (entry.resource !== resource) continue;
      this.#byUid.delete(uid);
      for (const owner of ownersOf(entry.object)) this.#unlink(owner.uid, uid);
    }
  }

  #unlink(owner: string, dependent: string): void {
    const dependents = this.#dependents.get(owner);
    dependents?.delete(dependent);
    if (dependents?.size === 0) this.#dependents.delete(owner);
  }
}

export function ownersOf(object: KubeObject | undefined): readonly OwnerReference[] {
  return object?.metadata.ownerReferences ?? [];
}

/** Deleted in the foreground: it waits for what it owns. */
export function isWaiting({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined && (metadata.finalizers?.includes('foregroundDeletion') ?? false);
}
