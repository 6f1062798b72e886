import { type JsonSchema, propertySchema } from '../../api/crd/schema.ts';
import type { Resource } from '../../api/resource.ts';
import { type FieldSchema, fieldsOf, typeNameOf } from '../../api/schema.ts';

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

const otherKinds = new WeakMap<Resource, Struct>();

/** The structure of a kind's objects. */
export function structureOf(resource: Resource): Struct {
  const known = (resource.schema ? undefined : structOf(typeNameOf(resource))) ?? otherKinds.get(resource);
  if (known) return known;
  const meta = structOf('meta/v1.ObjectMeta')!;
  const content = resource.schema ? schemaStruct(resource.schema) : undefined;
  const built = lazyStruct((name) =>
    name === 'metadata' ? meta : isTypeMeta(name) ? LEAF : content ? content.field(name) : DEDUCED,
  );
  otherKinds.set(resource, built);
  return built;
}

function isTypeMeta(name: string): boolean {
  return name === 'apiVersion' || name === 'kind';
}

/** The structure of an object of a custom schema. */
function schemaStruct(schema: JsonSchema): Struct {
  return lazyStruct((name) => {
    const property = propertySchema(schema, name);
    if (property) return schemaStructure(property);
    return schema['x-kubernetes-preserve-unknown-fields'] ? DEDUCED : undefined;
  });
}

function schemaStructure(schema: JsonSchema): Structure {
  const { type, items, properties, additionalProperties: additional } = schema;
  if (type === 'array') return listOfSchema(schema, items ?? {});
  if (type === 'object' && schema['x-kubernetes-map-type'] === 'atomic') return LEAF;
  if (properties) return schemaStruct(schema);
  if (typeof additional === 'object') return { kind: 'map', of: schemaStructure(additional) };
  if (additional === true || schema['x-kubernetes-preserve-unknown-fields']) return DEDUCED;
  return type === 'object' ? schemaStruct(schema) : LEAF;
}

function listOfSchema(schema: JsonSchema, items: JsonSchema): Structure {
  const listType = schema['x-kubernetes-list-type'];
  if (listType === 'set') return { kind: 'set' };
  if (listType !== 'map') return LEAF;
  const keys = (schema['x-kubernetes-list-map-keys'] ?? []).map((name) => ({
    name,
    default: items.properties?.[name]?.default as ListKey['default'],
  }));
  return { kind: 'list', keys: keys.sort((a, b) => (a.name < b.name ? -1 : 1)), of: schemaStructure(items) };
}
