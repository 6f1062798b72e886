import type { Conversion, Resource } from '../api/resource.ts';
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

/** An object with its JSON text. */
export interface Encoded {
  readonly object: KubeObject;
  readonly text: string;
}

const shown = new WeakMap<KubeObject, WeakMap<Conversion, Encoded>>();

/** A stored object in the version of `resource`, converted and encoded once for all readers: never change it. */
export function shownAs({ conversion }: Resource, stored: Encoded): Encoded {
  if (!conversion) return stored;
  const versions = shown.get(stored.object) ?? new WeakMap<Conversion, Encoded>();
  shown.set(stored.object, versions);
  let encoded = versions.get(conversion);
  if (!encoded) {
    const object = conversion.fromStored(stored.object);
    encoded = object === stored.object ? stored : { object, text: JSON.stringify(object) };
    versions.set(conversion, encoded);
  }
  return encoded;
}

/** The object of a stored value in the version of `resource`. */
export function objectAs(resource: Resource, item: KeyValue): KubeObject {
  const object = objectOf(item);
  return resource.conversion ? shownAs(resource, { object, text: item.value }).object : object;
}

/** JSON text of a stored value in the version of `resource`. */
export function textAs(resource: Resource, item: KeyValue): string {
  return resource.conversion ? shownAs(resource, { object: objectOf(item), text: item.value }).text : item.value;
}

/** What a key is made of: all versions of a kind share the keys of the stored one. */
type Keyed = Pick<Resource, 'group' | 'plural' | 'conversion'>;

/** `/core/pods/default/` for a namespace, `/core/pods/` for all. */
export function keyPrefix(resource: Keyed, namespace = ''): string {
  const { group, plural } = resource.conversion?.stored ?? resource;
  const base = `/${group || 'core'}/${plural}/`;
  return namespace === '' ? base : `${base}${namespace}/`;
}

export function keyOf(resource: Keyed, at: { namespace?: string; name: string }): string {
  return `${keyPrefix(resource, at.namespace)}${at.name}`;
}

const written = new WeakMap<KubeObject, string>();

/** JSON of an object that {@link putObject} has just stored; undefined for others. */
export function writtenText(object: KubeObject): string | undefined {
  return written.get(object);
}

/** Writes `object` with the new revision in its metadata; it must not be changed afterwards. */
export async function putObject(
  store: Store,
  { key, object, expected }: { key: string; object: KubeObject; expected: number },
): Promise<KeyValue> {
  const encode = (revision: number) => {
    object.metadata.resourceVersion = String(revision);
    return JSON.stringify(object);
  };
  const item = await store.put(key, encode, expected);
  written.set(object, item.value);
  return item;
}

const deleted = new WeakMap<Change, Encoded>();

/** A deleted object as watchers see it: its last state with the revision of the delete. */
export function lastState(change: Change, of: KeyValue): Encoded {
  let last = deleted.get(change);
  if (!last) {
    const object = structuredClone(objectOf(of));
    object.metadata.resourceVersion = String(change.revision);
    last = { object, text: JSON.stringify(object) };
    deleted.set(change, last);
  }
  return last;
}
