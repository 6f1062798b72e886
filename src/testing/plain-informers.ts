import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import { type Change, type Informer, type Informers, objectKey } from '../client/informer.ts';

/** A cache that a test fills by hand, for what reads caches and needs no API server. */
export class PlainInformer<T extends KubeObject> implements Informer<T> {
  readonly resource: Resource<T>;
  synced = false;
  resourceVersion: string | undefined;
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #waiting = Promise.withResolvers<void>();

  constructor(resource: Resource<T>) {
    this.resource = resource;
  }

  get(name: string, namespace?: string): T | undefined {
    return this.#objects.get(namespace ? `${namespace}/${name}` : name);
  }

  list(namespace?: string): readonly T[] {
    return [...this.#objects.values()].filter((object) => !namespace || object.metadata.namespace === namespace);
  }

  whenSynced(): Promise<void> {
    return this.#waiting.promise;
  }

  subscribe(listener: (change: Change<T>) => void): () => void {
    for (const object of this.#objects.values()) listener({ type: 'added', object });
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(object: T): void {
    const old = this.#objects.get(objectKey(object));
    this.#objects.set(objectKey(object), object);
    this.#tell(old ? { type: 'updated', object, old } : { type: 'added', object });
  }

  delete(object: T): void {
    const old = this.#objects.get(objectKey(object));
    this.#objects.delete(objectKey(object));
    if (old) this.#tell({ type: 'deleted', object: old });
  }

  markSynced(): void {
    this.synced = true;
    this.#waiting.resolve();
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** {@link PlainInformer}s by kind; filters are ignored. */
export class PlainInformers implements Informers {
  readonly #caches = new Map<string, PlainInformer<KubeObject>>();

  of<T extends KubeObject>(resource: Resource<T>): PlainInformer<T> {
    const key = `${resource.group}/${resource.plural}`;
    const known = this.#caches.get(key) as unknown as PlainInformer<T> | undefined;
    if (known) return known;
    const cache = new PlainInformer(resource);
    this.#caches.set(key, cache as unknown as PlainInformer<KubeObject>);
    return cache;
  }

  async whenSynced(): Promise<void> {
    await Promise.all([...this.#caches.values()].map((cache) => cache.whenSynced()));
  }

  markSynced(): void {
    for (const cache of this.#caches.values()) cache.markSynced();
  }
}
