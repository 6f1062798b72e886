import { isObject, setOwn } from '../patch/merge.ts';
import { type JsonSchema, propertySchema, someSchema } from './schema.ts';

/** Fills, in place, what is missing and has a default; nulls where none may be are missing too. */
export function setSchemaDefaults(value: unknown, schema: JsonSchema): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) setSchemaDefaults(item, schema.items);
    return;
  }
  if (!isObject(value)) return;
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (property.default === undefined) continue;
    const missing = !Object.hasOwn(value, key) || (value[key] === null && !property.nullable);
    if (missing) setOwn(value, key, structuredClone(property.default));
  }
  for (const key of Object.keys(value)) {
    const property = propertySchema(schema, key);
    if (!property) continue;
    if (value[key] === null && !property.nullable) delete value[key];
    else setSchemaDefaults(value[key], property);
  }
}

/** Whether {@link setSchemaDefaults} would change anything. */
export function lacksDefaults(value: unknown, schema: JsonSchema): boolean {
  if (Array.isArray(value))
    return schema.items !== undefined && value.some((item) => lacksDefaults(item, schema.items!));
  if (!isObject(value)) return false;
  for (const key in schema.properties) {
    if (!Object.hasOwn(value, key) && schema.properties[key]!.default !== undefined) return true;
  }
  return Object.keys(value).some((key) => {
    const property = propertySchema(schema, key);
    return property !== undefined && (value[key] === null ? !property.nullable : lacksDefaults(value[key], property));
  });
}

/** Whether filling defaults can change anything. */
export function hasDefaults(schema: JsonSchema): boolean {
  return someSchema(schema, (inner) => inner.default !== undefined);
}
