import type { Resource } from '../api/resource.ts';
import type { KubeList, KubeObject, New } from '../api/types.ts';

/** One object by name. */
export interface ObjectKey {
  name: string;
  /** Left out for cluster-scoped kinds. */
  namespace?: string;
}

export interface ListOptions {
  /** All namespaces when left out. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
}

export interface WatchOptions extends ListOptions {
  allowWatchBookmarks?: boolean;
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  preconditions?: { uid?: string; resourceVersion?: string };
}

export interface WatchEvent<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: T;
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

/**
 * Typed access to any Kubernetes API server. Every failure is an `ApiError` with the server's reason; a request that
 * could not be sent is one with reason ServiceUnavailable. Retrying is the caller's decision.
 */
export interface Client {
  get<T extends KubeObject>(resource: Resource<T>, key: ObjectKey): Promise<T>;
  list<T extends KubeObject>(resource: Resource<T>, options?: ListOptions): Promise<KubeList<T>>;
  create<T extends KubeObject>(resource: Resource<T>, object: New<T>): Promise<T>;
  /** Optimistic: fails with Conflict unless `metadata.resourceVersion` is the current one. */
  update<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  updateStatus<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  /** PUT to a subresource that takes the whole object (`namespaces/finalize`). */
  updateSubresource<T extends KubeObject>(resource: Resource<T>, object: T, subresource: string): Promise<T>;
  patch<T extends KubeObject>(resource: Resource<T>, key: ObjectKey, patch: PatchRequest): Promise<T>;
  delete<T extends KubeObject>(resource: Resource<T>, key: ObjectKey, options?: DeleteOptions): Promise<void>;
  /** POST to a subresource (`binding`, `token`, `eviction`); resolves with the answer's body. */
  createSubresource<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    subresource: string,
    body: unknown,
  ): Promise<unknown>;
  /** Ends when the server ends the stream or the signal aborts; throws `ApiError` 410 when `resourceVersion` is too old. */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>>;
}

export interface PatchRequest {
  type: PatchType;
  body: unknown;
  subresource?: 'status' | 'scale';
  fieldManager?: string;
  force?: boolean;
}
