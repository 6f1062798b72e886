import { isDeepStrictEqual } from 'node:util';
import { isObject } from '../../api/patch/merge.ts';
import {
  EMPTY,
  type FieldSet,
  fieldElement,
  isEmpty,
  keyElement,
  memberWith,
  type OpenSet,
  valueElement,
} from './field-set.ts';
import { deduce, type KeyedList, LEAF, type Struct, type Structure } from './structure.ts';

/** What differs between two states of an object. */
export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** Compares two states of an object, owned part by owned part. */
export function compare(before: object, after: object, structure: Structure): Comparison {
  const found = new Difference();
  found.visit(before, after, structure, 'root');
  return found.below('root');
}

const NOTHING: Readonly<Record<string, unknown>> = {};

/** Nodes under construction, one for each outcome. */
class Difference {
  readonly #added: OpenSet = {};
  readonly #modified: OpenSet = {};
  readonly #removed: OpenSet = {};

  below(element: string): Comparison {
    return {
      added: this.#added[element] ?? EMPTY,
      modified: this.#modified[element] ?? EMPTY,
      removed: this.#removed[element] ?? EMPTY,
    };
  }

  /** Notes what differs at and below `element`. `undefined` and null stand for a value that is not there. */
  visit(before: unknown, after: unknown, declared: Structure, element: string): void {
    if (before === after) return;
    const [left, right] = [before ?? undefined, after ?? undefined];
    if (left === undefined && right === undefined) return;
    const structure = agreed(declared, left, right);
    if (structure.kind === 'leaf' || (isBlank(left) && isBlank(right))) {
      this.#leaf(left, right, element);
      return;
    }
    const inner = new Difference();
    inner.#visitParts(left, right, structure);
    this.#adopt(element, inner, { isNew: left === undefined, isGone: right === undefined });
  }

  #visitParts(left: unknown, right: unknown, structure: Structure): void {
    switch (structure.kind) {
      case 'struct':
        return this.#fields(left, right, structure);
      case 'map':
        return this.#entries(asObject(left), asObject(right), structure.of);
      case 'set':
        return this.#items(indexBy(left, valueElement), indexBy(right, valueElement), LEAF);
      case 'list': {
        const element = (item: unknown) => keyElement(structure as KeyedList, item);
        return this.#items(indexBy(left, element), indexBy(right, element), structure.of);
      }
    }
  }

  #fields(before: unknown, after: unknown, structure: Struct): void {
    const [left, right] = [asObject(before), asObject(after)];
    for (const name of keysOf(left, right)) {
      const field = structure.field(name) ?? LEAF;
      // What is always there is not added by the first thing in it.
      const absent = (side: unknown) => (side === undefined ? undefined : structure.embedded.get(name));
      this.visit(own(left, name) ?? absent(before), own(right, name) ?? absent(after), field, fieldElement(name));
    }
  }

  #entries(left: Record<string, unknown>, right: Record<string, unknown>, of: Structure): void {
    for (const name of keysOf(left, right)) this.visit(own(left, name), own(right, name), of, fieldElement(name));
  }

  #items(left: Map<string, unknown[]>, right: Map<string, unknown[]>, of: Structure): void {
    for (const element of new Set([...left.keys(), ...right.keys()])) {
      const [before = [], after = []] = [left.get(element), right.get(element)];
      if (before.length <= 1 && after.length <= 1) this.visit(before[0], after[0], of, element);
      else this.#leaf(before.length > 0 ? before : undefined, after.length > 0 ? after : undefined, element);
    }
  }

  #leaf(left: unknown, right: unknown, element: string): void {
    if (left === undefined) this.#added[element] = EMPTY;
    else if (right === undefined) this.#removed[element] = EMPTY;
    else if (!isDeepStrictEqual(left, right)) this.#modified[element] = EMPTY;
  }

  #adopt(element: string, inner: Difference, { isNew, isGone }: { isNew: boolean; isGone: boolean }): void {
    if (isNew) this.#added[element] = memberWith(inner.#added);
    else if (!isEmpty(inner.#added)) this.#added[element] = inner.#added;
    if (isGone) this.#removed[element] = memberWith(inner.#removed);
    else if (!isEmpty(inner.#removed)) this.#removed[element] = inner.#removed;
    if (!isEmpty(inner.#modified)) this.#modified[element] = inner.#modified;
  }
}

/** Values that do not have the form of their type are compared as one piece. */
function agreed(declared: Structure, left: unknown, right: unknown): Structure {
  const fits = (value: unknown, structure: Structure) => {
    if (value === undefined || structure.kind === 'leaf') return true;
    return structure.kind === 'struct' || structure.kind === 'map' ? isObject(value) : Array.isArray(value);
  };
  const structure = declared.kind === 'deduced' ? deduce(right ?? left) : declared;
  return fits(left, structure) && fits(right, structure) ? structure : LEAF;
}

function isBlank(value: unknown): boolean {
  if (value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && isEmpty(value as FieldSet);
}

function asObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : NOTHING;
}

function own(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function keysOf(left: object, right: object): Iterable<string> {
  const keys = Object.keys(right);
  if (left === NOTHING) return keys;
  return new Set([...Object.keys(left), ...keys]);
}

function indexBy(list: unknown, elementOf: (item: unknown) => string | undefined): Map<string, unknown[]> {
  const index = new Map<string, unknown[]>();
  for (const item of Array.isArray(list) ? list : []) {
    const element = elementOf(item) ?? 'f:';
    const same = index.get(element);
    if (same) same.push(item);
    else index.set(element, [item]);
  }
  return index;
}
