import { isObject } from '../patch/merge.ts';
import { childPath, type JsonSchema } from './schema.ts';

/** Fields that every object has, whatever its schema says of them. */
const TYPE_FIELDS = new Set(['apiVersion', 'kind', 'metadata']);

/** Removes, in place, the fields that the schema of a resource does not have; answers their paths in document order. */
export function pruneUnknown(object: Record<string, unknown>, schema: JsonSchema): string[] {
  const unknown: string[] = [];
  pruneObject(object, { schema, path: '', resource: true }, unknown);
  return unknown;
}

interface Place {
  readonly schema: JsonSchema;
  readonly path: string;
  readonly resource: boolean;
}

function pruneValue(value: unknown, { schema, path }: Omit<Place, 'resource'>, unknown: string[]): void {
  const resource = schema['x-kubernetes-embedded-resource'] === true;
  if (isObject(value)) pruneObject(value, { schema, path, resource }, unknown);
  else if (Array.isArray(value) && schema.items) {
    for (const [index, item] of value.entries()) {
      pruneValue(item, { schema: schema.items, path: `${path}[${index}]` }, unknown);
    }
  }
}

function pruneObject(object: Record<string, unknown>, { schema, path, resource }: Place, unknown: string[]): void {
  const { properties, additionalProperties: additional } = schema;
  const keeps = schema['x-kubernetes-preserve-unknown-fields'] === true || additional === true;
  for (const key of Object.keys(object)) {
    if (resource && TYPE_FIELDS.has(key)) continue;
    const at = childPath(path, key);
    if (properties && Object.hasOwn(properties, key))
      pruneValue(object[key], { schema: properties[key]!, path: at }, unknown);
    else if (typeof additional === 'object') pruneValue(object[key], { schema: additional, path: at }, unknown);
    else if (!keeps) {
      delete object[key];
      unknown.push(at);
    }
  }
}
