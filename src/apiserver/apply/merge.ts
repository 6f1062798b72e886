import { isObject, plainCopy, setOwn } from '../../api/patch/merge.ts';
import { elementText, keyElement, valueElement } from './field-set.ts';
import { deduce, type KeyedList, LEAF, type Structure } from './structure.ts';

/** The live value with everything in it that the configuration says. Changes neither argument. */
export function mergeConfig(live: unknown, config: unknown, declared: Structure): unknown {
  if (config === undefined) return live;
  const structure = declared.kind === 'deduced' ? deduce(config ?? live) : declared;
  if (structure.kind === 'leaf' || live === undefined || live === null) return config;
  // Null says nothing about a container.
  if (config === null) return live;
  if (structure.kind === 'struct' || structure.kind === 'map') {
    if (!isObject(live) || !isObject(config)) return config;
    const below = (name: string) => (structure.kind === 'map' ? structure.of : (structure.field(name) ?? LEAF));
    return mergeFields(live, config, below);
  }
  if (!Array.isArray(live) || !Array.isArray(config)) return config;
  if (structure.kind === 'set') return mergeItems(live, config, { elementOf: valueElement, of: LEAF });
  const keyed = structure as KeyedList;
  return mergeItems(live, config, { elementOf: (item) => keyElement(keyed, item), of: keyed.of });
}

function mergeFields(
  live: Record<string, unknown>,
  config: Record<string, unknown>,
  structureOf: (name: string) => Structure,
): Record<string, unknown> {
  const result = plainCopy(live);
  for (const [name, value] of Object.entries(config)) {
    const current = Object.hasOwn(live, name) ? live[name] : undefined;
    setOwn(result, name, mergeConfig(current, value, structureOf(name)));
  }
  return result;
}

interface Items {
  readonly elementOf: (item: unknown) => string | undefined;
  readonly of: Structure;
}

/** Items come in the order of the configuration; the others keep their place among their neighbours. */
function mergeItems(live: readonly unknown[], config: readonly unknown[], { elementOf, of }: Items): unknown[] {
  const before = live.map((item) => ({ element: elementOf(item), item }));
  const wanted = new Map(config.map((item) => [elementOf(item), item]));
  const order = mergeOrder(
    before.map(({ element }) => element),
    [...wanted.keys()],
  );
  return order.map(({ element, at }) => {
    if (at !== undefined && !wanted.has(element)) return before[at]!.item;
    const same = before.filter((entry) => entry.element === element);
    return mergeConfig(same.length === 1 ? same[0]!.item : undefined, wanted.get(element), of);
  });
}

type Element = string | undefined;

interface Placed {
  readonly element: Element;
  /** Index in the live list, for items that only it has. */
  readonly at?: number;
}

function mergeOrder(live: readonly Element[], config: readonly Element[]): Placed[] {
  const order: Placed[] = [];
  const shared = new Set(config.filter((element) => live.includes(element)));
  const inConfig = new Set(config);
  let next = 0;
  const takeConfig = () => {
    order.push({ element: config[next]! });
    shared.delete(config[next++]);
  };
  for (const [at, element] of live.entries()) {
    if (!inConfig.has(element)) order.push({ element, at });
    // A shared item waits for those before it in the configuration that the live list has further on.
    else if (firstOf(shared) === element) {
      while (config[next] !== element) takeConfig();
      takeConfig();
    }
  }
  while (next < config.length) takeConfig();
  return order;
}

function firstOf<T>(set: ReadonlySet<T>): T | undefined {
  for (const item of set) return item;
  return undefined;
}

/** What a configuration has that its type does not allow, as `.spec.foo: field not declared in schema`. */
export function configErrors(value: unknown, declared: Structure, path = ''): string[] {
  const structure = declared.kind === 'deduced' ? deduce(value) : declared;
  if (value === null || value === undefined || structure.kind === 'leaf') return [];
  if (structure.kind === 'struct' || structure.kind === 'map') {
    if (!isObject(value)) return [`${path}: expected map, got ${JSON.stringify(value)}`];
    return Object.entries(value).flatMap(([name, field]) => {
      const below = structure.kind === 'map' ? structure.of : structure.field(name);
      return below ? configErrors(field, below, `${path}.${name}`) : [`${path}.${name}: field not declared in schema`];
    });
  }
  if (!Array.isArray(value)) return [`${path}: expected list, got ${JSON.stringify(value)}`];
  return itemErrors(value, structure as KeyedList, path);
}

function itemErrors(items: readonly unknown[], structure: KeyedList | { kind: 'set' }, path: string): string[] {
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    const element = structure.kind === 'set' ? valueElement(item) : keyElement(structure, item);
    if (element === undefined) {
      const keys = structure.kind === 'list' ? structure.keys.map(({ name }) => JSON.stringify(name)).join(', ') : '';
      return [`${path}: element ${index}: associative list with keys has an element that omits key field ${keys}`];
    }
    const place = `${path}${elementText(element)}`;
    if (seen.has(element)) return [`${path}: duplicate entries for key ${elementText(element)}`];
    seen.add(element);
    return structure.kind === 'list' ? configErrors(item, structure.of, place) : [];
  });
}
