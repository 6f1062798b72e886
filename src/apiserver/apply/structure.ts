import { type FieldSchema, fieldsOf } from '../../api/schema.ts';

/** How the parts of a value are owned by field managers (`x-kubernetes-list-type` and its relatives). */
export type Structure = Leaf | Struct | Granular | ValueSet | KeyedList | Deduced;

/** A scalar, or a list or map that is owned as one piece. */
export interface Leaf {
  readonly kind: 'leaf';
}

export interface Struct {
  readonly kind: 'struct';
  /** Undefined for a field that the type does not have. */
  field(name: string): Structure | undefined;
  /** Fields that are always there in the typed form, with their empty values. */
  readonly embedded: ReadonlyMap<string, object>;
}

/** A map whose entries are owned one by one. */
export interface Granular {
  readonly kind: 'map';
  readonly of: Structure;
}

/** A list of distinct scalars. */
export interface ValueSet {
  readonly kind: 'set';
}

/** A list whose items are told apart by some of their fields. */
export interface KeyedList {
  readonly kind: 'list';
  readonly keys: readonly ListKey[];
  readonly of: Structure;
}

export interface ListKey {
  readonly name: string;
  readonly default: string | number | boolean | undefined;
}

/** Nothing is known: objects are maps, lists are one piece. */
export interface Deduced {
  readonly kind: 'deduced';
}

export const LEAF: Leaf = { kind: 'leaf' };
export const DEDUCED: Deduced = { kind: 'deduced' };
const DEDUCED_MAP: Granular = { kind: 'map', of: DEDUCED };

/** The structure of a value whose type is not known. */
export function deduce(value: unknown): Structure {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? DEDUCED_MAP : LEAF;
}

const structs = new Map<string, Struct>();

/** The structure of a type of the API (`core/v1.PodSpec`); undefined for a type that is none. */
export function structOf(typeName: string): Struct | undefined {
  const known = structs.get(typeName);
  const fields = fieldsOf(typeName);
  if (known || !fields) return known;
  const built = lazyStruct(
    (name) => {
      const schema = fields.get(name);
      return schema && fieldStructure(schema);
    },
    new Map(
      [...fields].filter(([, { embedded }]) => embedded).map(([name, { shape }]) => [name, shape === 'list' ? [] : {}]),
    ),
  );
  structs.set(typeName, built);
  return built;
}

/** A struct whose fields are built when they are first met: types may hold themselves. */
export function lazyStruct(
  build: (name: string) => Structure | undefined,
  embedded: Struct['embedded'] = new Map(),
): Struct {
  const built = new Map<string, Structure | undefined>();
  const field = (name: string) => {
    if (!built.has(name)) built.set(name, build(name));
    return built.get(name);
  };
  return { kind: 'struct', field, embedded };
}

function fieldStructure(schema: FieldSchema): Structure {
  if (schema.shape === 'map') {
    return schema.mapType === 'atomic' ? LEAF : { kind: 'map', of: itemStructure(schema) };
  }
  return schema.shape === 'list' ? listStructure(schema) : itemStructure(schema);
}

function listStructure(schema: FieldSchema): Structure {
  if (schema.listType === 'set') return { kind: 'set' };
  if (schema.listType !== 'map') return LEAF;
  const fields = fieldsOf(schema.type);
  const keys = (schema.listMapKeys ?? []).map((name) => ({ name, default: fields?.get(name)?.default }));
  return { kind: 'list', keys: keys.sort((a, b) => (a.name < b.name ? -1 : 1)), of: itemStructure(schema) };
}

function itemStructure({ type, structType }: FieldSchema): Structure {
  return structType === 'atomic' ? LEAF : (structOf(type) ?? LEAF);
}

/** The structure of the objects of a kind without a schema. */
export const UNKNOWN_KIND: Struct = lazyStruct((name) => {
  if (name === 'metadata') return structOf('meta/v1.ObjectMeta');
  return name === 'apiVersion' || name === 'kind' ? LEAF : DEDUCED;
});
