import { DEDUCED, LEAF, lazyStruct, type Struct, type Structure, structOf } from './structure.ts';

/** The parts of an OpenAPI schema that say how values are owned. */
export interface OwnedSchema {
  readonly type?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, OwnedSchema>>;
  readonly additionalProperties?: OwnedSchema | boolean;
  readonly items?: OwnedSchema;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: string;
}

const META = 'meta/v1.ObjectMeta';

/** The structure of the objects of a custom resource. */
export function structureOfObjects(schema: OwnedSchema): Struct {
  const inner = properties(schema);
  return lazyStruct((name) => {
    if (name === 'apiVersion' || name === 'kind') return LEAF;
    return name === 'metadata' ? structOf(META) : inner(name);
  });
}

function structureOfSchema(schema: OwnedSchema): Structure {
  if (schema['x-kubernetes-int-or-string']) return LEAF;
  if (schema['x-kubernetes-embedded-resource']) return structureOfObjects(schema);
  if (schema.type === 'array') return listStructure(schema);
  if (schema.type === undefined) return schema['x-kubernetes-preserve-unknown-fields'] ? DEDUCED : LEAF;
  if (schema.type !== 'object' || schema['x-kubernetes-map-type'] === 'atomic') return LEAF;
  const { additionalProperties } = schema;
  if (typeof additionalProperties === 'object') return { kind: 'map', of: structureOfSchema(additionalProperties) };
  return schema.properties ? lazyStruct(properties(schema)) : DEDUCED;
}

function properties(schema: OwnedSchema): (name: string) => Structure | undefined {
  const known = schema.properties ?? {};
  return (name) => {
    if (Object.hasOwn(known, name)) return structureOfSchema(known[name]!);
    return schema['x-kubernetes-preserve-unknown-fields'] ? DEDUCED : undefined;
  };
}

function listStructure(schema: OwnedSchema): Structure {
  const { items, 'x-kubernetes-list-type': listType, 'x-kubernetes-list-map-keys': names = [] } = schema;
  if (listType === 'set') return { kind: 'set' };
  if (listType !== 'map' || !items) return LEAF;
  const keys = names.toSorted().map((name) => ({ name, default: scalarDefault(items.properties?.[name]?.default) }));
  return { kind: 'list', keys, of: structureOfSchema(items) };
}

function scalarDefault(value: unknown): string | number | boolean | undefined {
  const scalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return scalar ? value : undefined;
}
