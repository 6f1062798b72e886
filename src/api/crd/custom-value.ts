import { type FieldError, invalidValue } from '../field-error.ts';
import type { KubeObject } from '../types.ts';
import { hasRules, validateRules } from './rules.ts';
import type { JsonSchema } from './schema.ts';
import { validateValue } from './value.ts';

/** Errors that make a value unfit for its rules. */
const BLOCKING = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

/** All that a custom resource breaks of its schema; what has not changed since `old` is let pass. */
export function validateCustomResource(object: KubeObject, schema: JsonSchema, old?: KubeObject): FieldError[] {
  const at = { path: '', old };
  const errors = validateValue(object, schema, at);
  if (!hasRules(schema)) return errors;
  if (!errors.some(({ type }) => BLOCKING.has(type))) return [...errors, ...validateRules(object, schema, at)];
  const detail =
    'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
  return [...errors, invalidValue('<nil>', 'null', detail)];
}
