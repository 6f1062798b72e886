import type { KeyedList } from './structure.ts';

/**
 * A set of paths in the form that `managedFields` carries it in (`FieldsV1`): keys are path elements (`f:spec`,
 * `k:{"name":"web"}`, `v:"x"`), and a path that ends at a node is in the set when the node has no children or has the
 * child `.`. Never changed once made.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

export const EMPTY: FieldSet = {};
const SELF = '.';

/** A set of its own, under construction. */
export type OpenSet = Record<string, FieldSet>;

/** The node of a path that is in the set by itself, with the paths below it. */
export function memberWith(children: FieldSet): FieldSet {
  return isEmpty(children) ? EMPTY : { [SELF]: EMPTY, ...children };
}

/** Of a whole set, not of a node: a node without children is a path. */
export function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** Whether the path that ends at this node is in the set. */
export function isMember(node: FieldSet | undefined): boolean {
  return node !== undefined && (node[SELF] !== undefined || isEmpty(node));
}

/** Path elements right below a node. */
export function elements(node: FieldSet): string[] {
  return Object.keys(node).filter((element) => element !== SELF);
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  const result: OpenSet = {};
  for (const element of new Set([...elements(a), ...elements(b)])) {
    const [left, right] = [a[element], b[element]];
    result[element] = left && right ? unionOfNodes(left, right) : (left ?? right)!;
  }
  return result;
}

function unionOfNodes(a: FieldSet, b: FieldSet): FieldSet {
  const children = union(childrenOf(a), childrenOf(b));
  return isMember(a) || isMember(b) ? memberWith(children) : children;
}

function childrenOf(node: FieldSet): FieldSet {
  if (!node[SELF]) return node;
  const { [SELF]: _self, ...children } = node;
  return children;
}

/** The paths of `a` that are not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, { keepAlone: true, keepMember: (inBoth) => !inBoth, below: difference });
}

/** The paths of `a` that are not in `b`, nor below a path of `b`. */
export function withoutSubtrees(a: FieldSet, b: FieldSet): FieldSet {
  const result: OpenSet = {};
  for (const element of elements(a)) {
    const [left, right] = [a[element]!, b[element]];
    if (!right) result[element] = left;
    else if (!isMember(right)) {
      const children = withoutSubtrees(childrenOf(left), right);
      if (isMember(left)) result[element] = memberWith(children);
      else if (!isEmpty(children)) result[element] = children;
    }
  }
  return result;
}

/** The paths that are in both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, { keepAlone: false, keepMember: (inBoth) => inBoth, below: intersection });
}

interface Combining {
  /** Nodes that only `a` has. */
  readonly keepAlone: boolean;
  /** For a path of `a`. */
  readonly keepMember: (inBoth: boolean) => boolean;
  readonly below: (a: FieldSet, b: FieldSet) => FieldSet;
}

function combine(a: FieldSet, b: FieldSet, how: Combining): FieldSet {
  const result: OpenSet = {};
  for (const element of elements(a)) {
    const [left, right] = [a[element]!, b[element]];
    if (!right) {
      if (how.keepAlone) result[element] = left;
      continue;
    }
    const children = how.below(childrenOf(left), childrenOf(right));
    if (isMember(left) && how.keepMember(isMember(right))) result[element] = memberWith(children);
    else if (!isEmpty(children)) result[element] = children;
  }
  return result;
}

export function isSame(a: FieldSet, b: FieldSet): boolean {
  return isEmpty(difference(a, b)) && isEmpty(difference(b, a));
}

/** The same set with its elements in the order in which they are shown. */
export function sorted(set: FieldSet): FieldSet {
  const result: OpenSet = {};
  for (const element of Object.keys(set).sort()) result[element] = sorted(set[element]!);
  return result;
}

export function fieldElement(name: string): string {
  return `f:${name}`;
}

export function valueElement(value: unknown): string {
  return `v:${JSON.stringify(value)}`;
}

/** `k:{"name":"web"}`: the fields that tell an item of the list apart; undefined when it has none of them. */
export function keyElement({ keys }: KeyedList, item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  const pairs = keys.flatMap(({ name, default: fallback }) => {
    const value = (Object.hasOwn(item, name) ? (item as Record<string, unknown>)[name] : undefined) ?? fallback;
    return value === undefined ? [] : [`${JSON.stringify(name)}:${JSON.stringify(value)}`];
  });
  return pairs.length === 0 ? undefined : `k:{${pairs.join(',')}}`;
}

/** Every path of the set as messages name it: `.spec.containers[name="web"].image`. */
export function pathsOf(set: FieldSet, before = ''): string[] {
  return elements(set)
    .sort()
    .flatMap((element) => {
      const path = before + elementText(element);
      const node = set[element]!;
      return [...(isMember(node) ? [path] : []), ...pathsOf(node, path)];
    });
}

/** `.spec`, `[name="web"]`, `[="x"]`. */
export function elementText(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('k:')) {
    const pairs = Object.entries(JSON.parse(rest) as object).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    return `[${pairs.sort().join(',')}]`;
  }
  return element.startsWith('v:') ? `[=${rest}]` : `[${rest}]`;
}

/** Nesting of a set that a client sends. */
const MAX_DEPTH = 100;

/** A set as a client sent it; undefined when it is none. */
export function parseFieldSet(value: unknown, depth = 0): FieldSet | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth > MAX_DEPTH) return undefined;
  const result: OpenSet = {};
  for (const [element, node] of Object.entries(value)) {
    const name = element === SELF ? SELF : canonicalElement(element);
    const parsed = name === undefined ? undefined : parseFieldSet(node, depth + 1);
    if (name === undefined || !parsed) return undefined;
    result[name] = parsed;
  }
  return result;
}

function canonicalElement(element: string): string | undefined {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return element;
  if (/^i:\d{1,9}$/.test(element)) return element;
  if (!/^[kv]:/.test(element)) return undefined;
  try {
    const value: unknown = JSON.parse(rest);
    if (element.startsWith('v:')) return valueElement(value);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const names = Object.keys(value).sort();
    const pairs = names.map((name) => `${JSON.stringify(name)}:${JSON.stringify((value as never)[name])}`);
    return `k:{${pairs.join(',')}}`;
  } catch {
    return undefined;
  }
}
