import { isObject, setOwn } from '../api/patch/merge.ts';
import { canonicalQuantity } from '../api/quantity.ts';
import { type FieldSchema, fieldsOf, typeFor } from '../api/schema.ts';

/**
 * The parts of `object` that its type has, as a typed decoder reads them: unknown fields are left out, `null` is a field
 * that was not set, a `null` item of a list or map is the empty value of its type, and quantities are in canonical form.
 * An object of an unknown type stays as it is. Types must have been checked.
 */
export function prune<T extends object>(object: T, typeName: string): T {
  return fieldsOf(typeName) ? (pruneFields(object as Record<string, unknown>, typeName) as T) : object;
}

function pruneFields(object: Record<string, unknown>, typeName: string): Record<string, unknown> {
  const fields = fieldsOf(typeName)!;
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(object)) {
    const value = object[key];
    const schema = value === null || value === undefined ? undefined : fields.get(key);
    if (schema) kept[key] = pruneField(value, schema);
  }
  for (const [name, type] of alwaysThere(typeName)) kept[name] ??= pruneFields({}, type);
  return kept;
}

const structs = new Map<string, readonly (readonly [name: string, type: string])[]>();

/** Required structs that are no pointers: a typed decoder has them, if only empty. */
function alwaysThere(typeName: string): readonly (readonly [name: string, type: string])[] {
  let found = structs.get(typeName);
  if (!found) {
    const fields = [...fieldsOf(typeName)!];
    const always = fields.filter(([, { required, embedded, shape }]) => required && embedded && shape === 'single');
    found = always.map(([name, { type }]) => [name, type] as const);
    structs.set(typeName, found);
  }
  return found;
}

function pruneField(value: unknown, { shape, type }: FieldSchema): unknown {
  if (shape === 'single') return pruneItem(value, type);
  if (shape === 'list') return (value as unknown[]).map((item) => pruneItem(item, type));
  const kept: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value as object)) setOwn(kept, key, pruneItem(item, type));
  return kept;
}

function pruneItem(value: unknown, declared: string): unknown {
  const type = typeFor(declared, value);
  if (type === 'JSON') return value;
  if (fieldsOf(type) !== undefined) return pruneFields(isObject(value) ? value : {}, type);
  if (type === 'Quantity') return canonicalQuantity(value);
  return value ?? emptyScalar(type);
}

function emptyScalar(type: string): unknown {
  if (type === 'bool') return false;
  return /^int\d*$/.test(type) ? 0 : '';
}
