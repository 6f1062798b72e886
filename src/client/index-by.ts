import type { KubeObject } from '../api/types.ts';
import type { Informer } from './informer.ts';

/** The objects of a cache by a key that each has, kept current: what a reconcile would otherwise search for among all. */
export class Index<T extends KubeObject> {
  readonly #byKey = new Map<string, Map<string, T>>();
  /** uid → the key that an object is kept under: the last event of an object may show it changed. */
  readonly #keys = new Map<string, string>();
  readonly #keyOf: (object: T) => string | undefined;

  /** Objects for which `keyOf` answers undefined are left out. */
  constructor(informer: Informer<T>, keyOf: (object: T) => string | undefined) {
    this.#keyOf = keyOf;
    informer.subscribe(({ type, object }) => {
      this.#remove(object);
      if (type !== 'deleted') this.#add(object);
    });
  }

  get(key: string): readonly T[] {
    return [...(this.#byKey.get(key)?.values() ?? [])];
  }

  #add(object: T): void {
    const key = this.#keyOf(object);
    if (key === undefined) return;
    const group = this.#byKey.get(key) ?? new Map<string, T>();
    this.#byKey.set(key, group.set(object.metadata.uid!, object));
    this.#keys.set(object.metadata.uid!, key);
  }

  #remove({ metadata }: T): void {
    const key = this.#keys.get(metadata.uid!);
    if (key === undefined) return;
    this.#keys.delete(metadata.uid!);
    const group = this.#byKey.get(key);
    group?.delete(metadata.uid!);
    if (group?.size === 0) this.#byKey.delete(key);
  }
}
