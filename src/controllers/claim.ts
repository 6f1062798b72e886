import type { Resource } from '../api/resource.ts';
import type { KubeObject, OwnerReference, Pod } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import { Index } from '../client/index-by.ts';
import type { Informer } from '../client/informer.ts';
import { controllerOf, controllerRef, ignoreNotFound } from './common.ts';

/** What makes an object one of a controller's own. */
export interface Ownership<T extends KubeObject> {
  readonly owner: KubeObject;
  readonly ownerKind: Pick<Resource, 'group' | 'version' | 'kind'>;
  readonly resource: Resource<T>;
  /** The owner's selector. */
  readonly matches: (object: T) => boolean;
  /** Whether a matching object without a controller may be taken; default: unless it is being deleted. */
  readonly adoptable?: (object: T) => boolean;
  /** Told what was written. */
  readonly wrote?: (object: T) => void;
}

/**
 * Own objects: matching orphans are adopted, objects that no longer match are let go.
 * Throws Conflict when an object changed meanwhile.
 */
export async function claim<T extends KubeObject>(
  client: Client,
  ownership: Ownership<T>,
  candidates: readonly T[],
): Promise<T[]> {
  const { owner, ownerKind, matches, adoptable = isStaying } = ownership;
  const mine: T[] = [];
  for (const object of candidates) {
    const controller = controllerOf(object);
    const others = (object.metadata.ownerReferences ?? []).filter((ref) => ref.uid !== owner.metadata.uid);
    if (controller?.uid === owner.metadata.uid) {
      if (matches(object)) mine.push(object);
      else if (isStaying(owner)) await setOwners(client, { ownership, object }, others);
    } else if (!controller && isStaying(owner) && matches(object) && adoptable(object)) {
      const refs = [...others, controllerRef(ownerKind, owner)];
      const adopted = await setOwners(client, { ownership, object }, refs);
      if (adopted) mine.push(adopted);
    }
  }
  return mine;
}

function isStaying({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp === undefined;
}

async function setOwners<T extends KubeObject>(
  client: Client,
  { ownership, object }: { ownership: Ownership<T>; object: T },
  ownerReferences: readonly OwnerReference[],
): Promise<T | undefined> {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const owners = ownerReferences.length > 0 ? ownerReferences : null;
  const body = { metadata: { uid, resourceVersion, ownerReferences: owners } };
  try {
    const written = await client.patch(ownership.resource, { name, namespace }, { type: 'merge', body });
    ownership.wrote?.(written);
    return written;
  } catch (error) {
    ignoreNotFound(error);
    return undefined;
  }
}

const made = new WeakMap<object, unknown>();

/** One index a cache, for all controllers. */
export function byController<T extends KubeObject>(informer: Informer<T>): ByController<T> {
  const index = (made.get(informer) as ByController<T> | undefined) ?? new ByController(informer);
  made.set(informer, index);
  return index;
}

/** The objects of a cache by who controls them, and those of a namespace that nobody does. */
export class ByController<T extends KubeObject> {
  readonly #index: Index<T>;

  constructor(informer: Informer<T>) {
    this.#index = new Index(informer, (object) => controllerOf(object)?.uid ?? orphansOf(object.metadata.namespace));
  }

  /** `uid` of the owner. */
  owned(uid: string): readonly T[] {
    return this.#index.get(uid);
  }

  /** What {@link claim} looks at. */
  candidates(owner: KubeObject): readonly T[] {
    return [...this.owned(owner.metadata.uid!), ...this.#index.get(orphansOf(owner.metadata.namespace))];
  }
}

const onNodes = new WeakMap<object, Index<Pod>>();

/** Bound pods by the name of their node; one index for all controllers. */
export function podsByNode(informer: Informer<Pod>): Index<Pod> {
  const index = onNodes.get(informer) ?? new Index(informer, (pod) => pod.spec?.nodeName);
  onNodes.set(informer, index);
  return index;
}

function orphansOf(namespace: string | undefined): string {
  return `orphans of ${namespace ?? ''}`;
}
