import { isObject } from '../../api/patch/merge.ts';
import {
  EMPTY,
  elements,
  type FieldSet,
  fieldElement,
  isEmpty,
  isMember,
  keyElement,
  memberWith,
  type OpenSet,
  valueElement,
} from './field-set.ts';
import { deduce, type KeyedList, LEAF, type Structure } from './structure.ts';

/** The paths that a configuration sets. Items of lists that can't be told apart are left out. */
export function pathsSetBy(value: unknown, structure: Structure): FieldSet {
  return setBy(value, structure) ?? EMPTY;
}

/** What lies below a value; undefined for a leaf, which is a path itself. */
function setBy(value: unknown, declared: Structure): FieldSet | undefined {
  const structure = resolve(declared, value);
  switch (structure.kind) {
    case 'struct':
      return isObject(value) ? setByFields(value, (name) => structure.field(name), false) : undefined;
    case 'map':
      return isObject(value) ? setByFields(value, () => structure.of, true) : undefined;
    case 'set':
      return Array.isArray(value)
        ? Object.fromEntries(value.map((item) => [valueElement(item), EMPTY] as const))
        : undefined;
    case 'list':
      return Array.isArray(value) ? setByItems(value, structure) : undefined;
    default:
      return undefined;
  }
}

function setByFields(
  object: Record<string, unknown>,
  structureOf: (name: string) => Structure | undefined,
  entries: boolean,
): FieldSet {
  const result: OpenSet = {};
  for (const [name, value] of Object.entries(object)) {
    const below = setBy(value, structureOf(name) ?? LEAF);
    const empty = value === null || (isObject(value) && Object.keys(value).length === 0);
    // Entries of maps are paths themselves, fields of structs only when there is nothing below.
    if (below === undefined) result[fieldElement(name)] = EMPTY;
    else if (entries || empty) result[fieldElement(name)] = memberWith(below);
    else if (!isEmpty(below)) result[fieldElement(name)] = below;
  }
  return result;
}

function setByItems(items: readonly unknown[], structure: KeyedList): FieldSet {
  const result: OpenSet = {};
  for (const item of items) {
    const element = keyElement(structure, item);
    if (element === undefined) continue;
    // Items of the same key are owned together, as one piece.
    result[element] = result[element] ? EMPTY : memberWith(setBy(item, structure.of) ?? EMPTY);
  }
  return result;
}

function resolve(structure: Structure, value: unknown): Structure {
  return structure.kind === 'deduced' ? deduce(value) : structure;
}

/** Also those fields of structs that only stand on the way to a path of the set. */
export function withFieldsOnTheWay(set: FieldSet, structure: Structure): FieldSet {
  const result: OpenSet = {};
  for (const element of elements(set)) {
    const node = set[element]!;
    const below = withFieldsOnTheWay(node, structureBelow(structure, element));
    const named = structure.kind === 'struct' && element.startsWith('f:') && hasField(structure, element);
    result[element] = isMember(node) || named ? memberWith(below) : below;
  }
  return result;
}

function hasField(structure: Structure, element: string): boolean {
  return structure.kind === 'struct' && structure.field(element.slice(2)) !== undefined;
}

function structureBelow(structure: Structure, element: string): Structure {
  if (structure.kind === 'struct') return structure.field(element.slice(2)) ?? LEAF;
  if (structure.kind === 'map' || structure.kind === 'list') return structure.of;
  return structure.kind === 'deduced' && element.startsWith('f:') ? structure : LEAF;
}

/** The value without the fields and items at the paths of `set`; undefined when nothing is left of it. */
export function withoutPaths(value: unknown, set: FieldSet, declared: Structure): unknown {
  const structure = resolve(declared, value);
  if (isObject(value) && (structure.kind === 'struct' || structure.kind === 'map')) {
    const kept = Object.entries(value).flatMap(([name, field]): [string, unknown][] => {
      const node = set[fieldElement(name)];
      const below = structure.kind === 'map' ? structure.of : (structure.field(name) ?? LEAF);
      const left = remaining(field, node, below);
      return left === undefined ? [] : [[name, left]];
    });
    return kept.length === 0 ? undefined : Object.fromEntries(kept);
  }
  if (!Array.isArray(value) || (structure.kind !== 'list' && structure.kind !== 'set')) return value;
  const kept = value.flatMap((item) => {
    const element = structure.kind === 'set' ? valueElement(item) : keyElement(structure, item);
    const node = element === undefined ? undefined : set[element];
    const left = remaining(item, node, structure.kind === 'set' ? LEAF : structure.of);
    return left === undefined ? [] : [left];
  });
  return kept.length === 0 ? undefined : kept;
}

function remaining(value: unknown, node: FieldSet | undefined, structure: Structure): unknown {
  if (!node) return value;
  return isMember(node) ? undefined : withoutPaths(value, node, structure);
}
