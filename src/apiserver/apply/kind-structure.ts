import type { Resource } from '../../api/resource.ts';
import { typeNameOf } from '../../api/schema.ts';
import { type OwnedSchema, structureOfObjects } from './schema-structure.ts';
import { type Struct, structOf, UNKNOWN_KIND } from './structure.ts';

const bySchema = new WeakMap<OwnedSchema, Struct>();

/** The structure of a kind's objects: from the schema of a custom resource, or from the data of the API's types. */
export function structureOf(resource: Resource & { readonly schema?: OwnedSchema }): Struct {
  const { schema } = resource;
  if (!schema) return structOf(typeNameOf(resource)) ?? UNKNOWN_KIND;
  const structure = bySchema.get(schema) ?? structureOfObjects(schema);
  bySchema.set(schema, structure);
  return structure;
}
