import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';

/** What a cache told its listeners. */
export type Change<T> =
  | { readonly type: 'added'; readonly object: T }
  | { readonly type: 'updated'; readonly object: T; readonly old: T }
  | { readonly type: 'deleted'; readonly object: T };

/** A local copy of a kind, kept current by list and watch. Objects are shared: never change one. */
export interface Informer<T extends KubeObject> {
  readonly resource: Resource<T>;
  get(name: string, namespace?: string): T | undefined;
  /** All objects, or those of one namespace. */
  list(namespace?: string): readonly T[];
  /** True once the first list is complete. Before that, answer "not ready", never "not found". */
  readonly synced: boolean;
  whenSynced(): Promise<void>;
  /** How far the cache has come: every change up to this resourceVersion is in it. Undefined until it has synced. */
  readonly resourceVersion: string | undefined;
  /** Calls back for each change, beginning with `added` for what is already there; the returned function ends it. */
  subscribe(listener: (change: Change<T>) => void): () => void;
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of caches and queues. */
export function objectKey(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** The parts of an {@link objectKey}. */
export function splitKey(key: string): { name: string; namespace?: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Which objects of a kind a cache holds; all when empty. */
export interface InformerFilter {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

/** One cache a kind and filter, shared by all who ask in a process. */
export interface Informers {
  /** Starts on first use. */
  of<T extends KubeObject>(resource: Resource<T>, filter?: InformerFilter): Informer<T>;
  /** Resolves when every cache that was asked for so far has synced. */
  whenSynced(): Promise<void>;
}
