import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import type { Change, KeyValue, Store } from '../store/store.ts';

const parsed = new WeakMap<KeyValue, KubeObject>();

/** The object of a stored value, parsed once. Shared by all readers: never change it. */
export function objectOf(item: KeyValue): KubeObject {
  let object = parsed.get(item);
  if (!object) {
    object = JSON.parse(item.value) as KubeObject;
    parsed.set(item, object);
  }
  return object;
}

/** `/core/pods/default/` for a namespace, `/core/pods/` for all. */
export function keyPrefix(resource: Pick<Resource, 'group' | 'plural'>, namespace = ''): string {
  const base = `/${resource.group || 'core'}/${resource.plural}/`;
  return namespace === '' ? base : `${base}${namespace}/`;
}

export function keyOf(resource: Pick<Resource, 'group' | 'plural'>, at: { namespace?: string; name: string }): string {
  return `${keyPrefix(resource, at.namespace)}${at.name}`;
}

/** Writes `object` with the new revision in its metadata. */
export function putObject(store: Store, at: { key: string; object: KubeObject; expected: number }): Promise<KeyValue> {
  const encode = (revision: number) => {
    at.object.metadata.resourceVersion = String(revision);
    return JSON.stringify(at.object);
  };
  return store.put(at.key, encode, at.expected);
}

const deleted = new WeakMap<Change, { object: KubeObject; text: string }>();

/** A deleted object as watchers see it: its last state with the revision of the delete. */
export function lastState(change: Change, of: KeyValue): { object: KubeObject; text: string } {
  let last = deleted.get(change);
  if (!last) {
    const object = structuredClone(objectOf(of));
    object.metadata.resourceVersion = String(change.revision);
    last = { object, text: JSON.stringify(object) };
    deleted.set(change, last);
  }
  return last;
}
