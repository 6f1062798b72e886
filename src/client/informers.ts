import { isGone } from '../api/errors.ts';
import type { Resource } from '../api/resource.ts';
import type { KubeList, KubeObject } from '../api/types.ts';
import { type Backoff, createBackoff } from '../lib/backoff.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Client, WatchEvent } from './client.ts';
import { type Change, type Informer, type InformerFilter, type Informers, objectKey } from './informer.ts';

export interface InformersOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  random: () => number;
  /** Ends all caches. */
  signal: AbortSignal;
  /** What is kept of an object; all of it when left out. Name, namespace, uid and resourceVersion must stay. */
  project?: <T extends KubeObject>(resource: Resource<T>, object: T) => T;
}

const PAGE_SIZE = 500;

/** Caches by list and watch, one a kind and filter. */
export function createInformers(options: InformersOptions): Informers {
  const made = new Map<string, ListWatchInformer<KubeObject>>();
  return {
    of<T extends KubeObject>(resource: Resource<T>, filter: InformerFilter = {}): Informer<T> {
      const key = JSON.stringify([resource.group, resource.plural, filter]);
      let informer = made.get(key) as ListWatchInformer<T> | undefined;
      if (!informer) {
        informer = new ListWatchInformer(resource, filter, options);
        made.set(key, informer as unknown as ListWatchInformer<KubeObject>);
        void informer.run();
      }
      return informer;
    },
    whenSynced: async () => {
      await Promise.all([...made.values()].map((informer) => informer.whenSynced()));
    },
  };
}

class ListWatchInformer<T extends KubeObject> implements Informer<T> {
  readonly resource: Resource<T>;
  readonly #filter: InformerFilter;
  readonly #options: InformersOptions;
  readonly #objects = new Map<string, T>();
  readonly #byNamespace = new Map<string, Map<string, T>>();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #first = Promise.withResolvers<void>();
  readonly #backoff: Backoff;
  /** Where the next watch begins; undefined: list first. */
  #resourceVersion: string | undefined;
  #seen: string | undefined;
  #synced = false;

  constructor(resource: Resource<T>, filter: InformerFilter, options: InformersOptions) {
    this.resource = resource;
    this.#filter = filter;
    this.#options = options;
    this.#backoff = createBackoff({ firstMs: 50, maxMs: 10_000, random: options.random });
  }

  get synced(): boolean {
    return this.#synced;
  }

  whenSynced(): Promise<void> {
    return this.#first.promise;
  }

  get resourceVersion(): string | undefined {
    return this.#seen;
  }

  get(name: string, namespace?: string): T | undefined {
    return this.#objects.get(namespace ? `${namespace}/${name}` : name);
  }

  list(namespace?: string): readonly T[] {
    if (namespace === undefined) return [...this.#objects.values()];
    return [...(this.#byNamespace.get(namespace)?.values() ?? [])];
  }

  subscribe(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    for (const object of this.#objects.values()) this.#tell(listener, { type: 'added', object });
    return () => this.#listeners.delete(listener);
  }

  async run(): Promise<void> {
    const { signal, clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#relist();
        // A watch that ends well is followed by the next at once, unless it told nothing: that could go on for ever.
        if (await this.#follow()) continue;
      } catch (error) {
        if (signal.aborted) break;
        if (isGone(error)) this.#resourceVersion = undefined;
        else log.warn('watch failed', { resource: this.resource.plural, error });
      }
      await sleep(clock, this.#backoff.next(), signal).catch(() => {});
    }
    this.#listeners.clear();
  }

  async #relist(): Promise<void> {
    const found = new Map<string, T>();
    let page: KubeList<T> | undefined;
    do {
      page = await this.#options.client.list(this.resource, {
        ...this.#filter,
        limit: PAGE_SIZE,
        continue: page?.metadata.continue,
      });
      for (const item of page.items) found.set(objectKey(item), this.#project(item));
    } while (page.metadata.continue);
    for (const [key, object] of this.#objects) if (!found.has(key)) this.#remove(key, object);
    for (const [key, object] of found) this.#store(key, object);
    this.#reached(page.metadata.resourceVersion);
    this.#synced = true;
    this.#first.resolve();
  }

  /** One watch to its end; answers whether it told anything. */
  async #follow(): Promise<boolean> {
    const options = { ...this.#filter, resourceVersion: this.#resourceVersion, allowWatchBookmarks: true };
    let told = false;
    for await (const event of this.#options.client.watch(this.resource, options, this.#options.signal)) {
      this.#apply(event);
      this.#backoff.reset();
      told = true;
    }
    return told;
  }

  #apply({ type, object }: WatchEvent<T>): void {
    const key = objectKey(object);
    if (type === 'DELETED') this.#remove(key, object);
    else if (type !== 'BOOKMARK') this.#store(key, this.#project(object));
    this.#reached(object.metadata.resourceVersion);
  }

  #reached(resourceVersion: string | undefined): void {
    this.#resourceVersion = resourceVersion;
    this.#seen = resourceVersion;
  }

  #project(object: T): T {
    return this.#options.project?.(this.resource, object) ?? object;
  }

  #store(key: string, object: T): void {
    let old = this.#objects.get(key);
    if (old?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    if (old && old.metadata.uid !== object.metadata.uid) {
      // Its end was missed: another object has the name now.
      this.#remove(key, old);
      old = undefined;
    }
    this.#objects.set(key, object);
    const namespace = object.metadata.namespace ?? '';
    const peers = this.#byNamespace.get(namespace) ?? new Map<string, T>();
    this.#byNamespace.set(namespace, peers.set(key, object));
    this.#tellAll(old ? { type: 'updated', object, old } : { type: 'added', object });
  }

  #remove(key: string, object: T): void {
    if (!this.#objects.delete(key)) return;
    const peers = this.#byNamespace.get(object.metadata.namespace ?? '');
    peers?.delete(key);
    if (peers?.size === 0) this.#byNamespace.delete(object.metadata.namespace ?? '');
    this.#tellAll({ type: 'deleted', object });
  }

  #tellAll(change: Change<T>): void {
    for (const listener of this.#listeners) this.#tell(listener, change);
  }

  /** One listener's failure is not the others'. */
  #tell(listener: (change: Change<T>) => void, change: Change<T>): void {
    try {
      listener(change);
    } catch (error) {
      this.#options.log.error('listener failed', { resource: this.resource.plural, error: (error as Error).stack });
    }
  }
}
