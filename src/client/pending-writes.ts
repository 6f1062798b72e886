import type { KubeObject } from '../api/types.ts';
import type { Informer } from './informer.ts';

interface Pending {
  /** The newest write. */
  resourceVersion: string;
  /** Objects whose deletion was asked for, by uid. */
  readonly deleting: Map<string, KubeObject>;
}

/**
 * A controller's own writes that its cache does not show yet, by reconcile key. Whoever counts objects or lets the server
 * name them must not decide anew before: it would make or delete too many.
 */
export class PendingWrites<T extends KubeObject> {
  readonly #informer: Informer<T>;
  readonly #byKey = new Map<string, Pending>();

  constructor(informer: Informer<T>) {
    this.#informer = informer;
  }

  /** `object` is what the server answered to a create or update. */
  wrote(key: string, object: T): void {
    const pending = this.#of(key);
    const { resourceVersion = '0' } = object.metadata;
    if (isNewer(resourceVersion, pending.resourceVersion)) pending.resourceVersion = resourceVersion;
  }

  /** To be called before the request is sent. */
  deleting(key: string, object: T): void {
    this.#of(key).deleting.set(object.metadata.uid!, object);
  }

  /** The request failed. */
  notDeleting(key: string, object: T): void {
    this.#byKey.get(key)?.deleting.delete(object.metadata.uid!);
  }

  /** True when the cache shows everything that was written for a key. */
  isSettled(key: string): boolean {
    const pending = this.#byKey.get(key);
    if (!pending) return true;
    for (const [uid, object] of pending.deleting) if (this.#shownDeleted(object)) pending.deleting.delete(uid);
    const behind = isNewer(pending.resourceVersion, this.#informer.resourceVersion ?? '0');
    if (behind || pending.deleting.size > 0) return false;
    this.#byKey.delete(key);
    return true;
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }

  #of(key: string): Pending {
    const pending = this.#byKey.get(key) ?? { resourceVersion: '0', deleting: new Map() };
    this.#byKey.set(key, pending);
    return pending;
  }

  #shownDeleted({ metadata }: KubeObject): boolean {
    const shown = this.#informer.get(metadata.name, metadata.namespace);
    return shown?.metadata.uid !== metadata.uid || shown?.metadata.deletionTimestamp !== undefined;
  }
}

/** Resource versions are decimal numbers of one sequence (KEP-5504). */
function isNewer(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}
