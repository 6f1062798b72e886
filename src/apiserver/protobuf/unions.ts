import type { JsonObject } from './decode.ts';

/** Messages whose JSON is the value of one of their fields: `Schema`, or the one that is named here. */
const OTHER_FIELD: Readonly<Record<string, string>> = {
  'apiextensions/v1.JSONSchemaPropsOrArray': 'JSONSchemas',
  'apiextensions/v1.JSONSchemaPropsOrBool': 'Allows',
  'apiextensions/v1.JSONSchemaPropsOrStringArray': 'Property',
};

/** The JSON of a message that was read. */
export function fromUnion(type: string, message: JsonObject): unknown {
  if (!Object.hasOwn(OTHER_FIELD, type)) return message;
  const other = OTHER_FIELD[type]!;
  return message['Schema'] ?? message[other] ?? (other === 'Allows' ? false : []);
}

/** What is to be written for a JSON value. */
export function toUnion(type: string, value: unknown): unknown {
  if (!Object.hasOwn(OTHER_FIELD, type)) return value;
  const other = OTHER_FIELD[type]!;
  const isSchema = typeof value === 'object' && !Array.isArray(value);
  if (!isSchema) return { [other]: value };
  return other === 'Allows' ? { Allows: true, Schema: value } : { Schema: value };
}
