import { isDeepStrictEqual } from 'node:util';
import { duplicateValue, type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { isObject } from '../patch/merge.ts';
import { hasFormat, inFormatRange } from './formats.ts';
import { compilePattern } from './pattern.ts';
import { childPath, type JsonSchema, propertySchema } from './schema.ts';

/** Where a value stands, and what stood there before: what has not changed is not judged again (KEP-4008). */
export interface Place {
  readonly path: string;
  readonly old?: unknown;
}

/** The rules of a schema that a value breaks, in the words of Kubernetes; `x-kubernetes-validations` apart. */
export function validateValue(value: unknown, schema: JsonSchema, at: Place): FieldError[] {
  if (at.old !== undefined && isDeepStrictEqual(value, at.old)) return [];
  if (value === null && schema.nullable) return [];
  const types = typesOf(schema);
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) return [wrongType(value, types, at.path)];
  return [
    ...ofKind(value, schema, at),
    ...validateEnum(value, schema, at),
    ...validateCombinations(value, schema, at),
    ...(schema['x-kubernetes-embedded-resource'] && isObject(value) ? validateEmbedded(value, at.path) : []),
  ];
}

function ofKind(value: unknown, schema: JsonSchema, at: Place): FieldError[] {
  if (typeof value === 'string') return validateString(value, schema, at.path);
  if (typeof value === 'number') return validateNumber(value, schema, at.path);
  if (Array.isArray(value)) return validateArray(value, schema, at);
  return isObject(value) ? validateObject(value, schema, at) : [];
}

function typesOf(schema: JsonSchema): readonly string[] {
  if (schema['x-kubernetes-int-or-string']) return ['integer', 'string'];
  return schema.type ? [schema.type] : [];
}

function isOfType(value: unknown, type: string): boolean {
  const actual = typeOf(value);
  return actual === type || (actual === 'integer' && type === 'number');
}

/** The name of a value's type in JSON schemas. */
function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function wrongType(value: unknown, types: readonly string[], path: string): FieldError {
  const actual = JSON.stringify(typeOf(value));
  const message = `Invalid value: ${actual}: ${path} in body must be of type ${types.join(',')}: ${actual}`;
  return { type: 'FieldValueTypeInvalid', field: path, message };
}

function validateString(value: string, schema: JsonSchema, path: string): FieldError[] {
  const { minLength, maxLength, pattern, format } = schema;
  const length = minLength === undefined && maxLength === undefined ? 0 : [...value].length;
  const errors: FieldError[] = [];
  if (maxLength !== undefined && length > maxLength) {
    const message = `Too long: may not be more than ${maxLength} bytes`;
    errors.push({ type: 'FieldValueTooLong', field: path, message });
  }
  if (minLength !== undefined && length < minLength)
    errors.push(invalidValue(path, value, `${path} in body should be at least ${minLength} chars long`));
  if (pattern !== undefined && compilePattern(pattern)?.test(value) === false)
    errors.push(invalidValue(path, value, `${path} in body should match '${pattern}'`));
  if (format !== undefined && !hasFormat(value, format)) {
    const shown = JSON.stringify(value);
    const message = `Invalid value: ${shown}: ${path} in body must be of type ${format}: ${shown}`;
    errors.push({ type: 'FieldValueTypeInvalid', field: path, message });
  }
  return errors;
}

function validateNumber(value: number, schema: JsonSchema, path: string): FieldError[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, format, type } = schema;
  const rules: [boolean, string][] = [
    [maximum !== undefined && !exclusiveMaximum && value > maximum, `should be less than or equal to ${maximum}`],
    [maximum !== undefined && exclusiveMaximum === true && value >= maximum, `should be less than ${maximum}`],
    [minimum !== undefined && !exclusiveMinimum && value < minimum, `should be greater than or equal to ${minimum}`],
    [minimum !== undefined && exclusiveMinimum === true && value <= minimum, `should be greater than ${minimum}`],
    [multipleOf !== undefined && !isMultiple(value, multipleOf), `should be a multiple of ${multipleOf}`],
  ];
  const broken = rules.filter(([isBroken]) => isBroken);
  const errors = broken.map(([, rule]) => invalidValue(path, value, `${path} in body ${rule}`));
  if (inFormatRange(value, format)) return errors;
  const detail = `Checked value must be of type ${type} with format ${format} in ${path}`;
  return [...errors, invalidValue(path, value, detail)];
}

function isMultiple(value: number, of: number): boolean {
  const times = value / of;
  return Math.abs(times - Math.round(times)) < 1e-9;
}

function tooMany(path: string, actual: number, most: number): FieldError {
  const message = `Too many: ${actual}: must have at most ${most} items`;
  return { type: 'FieldValueTooMany', field: path, message };
}

function validateArray(value: readonly unknown[], schema: JsonSchema, { path, old }: Place): FieldError[] {
  const { minItems, maxItems, items } = schema;
  const errors: FieldError[] = [];
  if (maxItems !== undefined && value.length > maxItems) errors.push(tooMany(path, value.length, maxItems));
  if (minItems !== undefined && value.length < minItems)
    errors.push(invalidValue(path, value.length, `${path} in body should have at least ${minItems} items`));
  const before = correlate(old, schema);
  const ofItems = items
    ? value.flatMap((item, index) => validateValue(item, items, { path: `${path}[${index}]`, old: before(item) }))
    : [];
  return [...errors, ...ofItems, ...validateUnique(value, schema, path)];
}

/** How to find what an item of a list was before: only lists with keys tell. */
function correlate(old: unknown, schema: JsonSchema): (item: unknown) => unknown {
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(old)) return () => undefined;
  const byKey = new Map(old.map((item) => [JSON.stringify(mapKey(item, schema)), item]));
  return (item) => byKey.get(JSON.stringify(mapKey(item, schema)));
}

function validateUnique(value: readonly unknown[], schema: JsonSchema, path: string): FieldError[] {
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== 'set' && listType !== 'map') return [];
  const seen = new Set<string>();
  return value.flatMap((item, index) => {
    const identity = listType === 'set' ? item : mapKey(item, schema);
    const text = JSON.stringify(identity);
    const duplicate = seen.has(text);
    seen.add(text);
    return duplicate ? [duplicateValue(`${path}[${index}]`, identity)] : [];
  });
}

/** What tells an item of a list map from the others. */
export function mapKey(item: unknown, schema: JsonSchema): Record<string, unknown> {
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (!isObject(item)) return {};
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(item, key)).map((key) => [key, item[key]]));
}

function validateObject(value: Record<string, unknown>, schema: JsonSchema, { path, old }: Place): FieldError[] {
  const { minProperties, maxProperties, required = [] } = schema;
  const count = Object.keys(value).length;
  const errors: FieldError[] = [];
  if (maxProperties !== undefined && count > maxProperties) errors.push(tooMany(path, count, maxProperties));
  if (minProperties !== undefined && count < minProperties)
    errors.push(invalidValue(path, count, `${path} in body should have at least ${minProperties} properties`));
  const missing = required.filter((key) => !Object.hasOwn(value, key));
  const before = isObject(old) ? old : {};
  const ofProperties = Object.entries(value).flatMap(([key, item]) => {
    const property = propertySchema(schema, key);
    const place = { path: childPath(path, key), old: Object.hasOwn(before, key) ? before[key] : undefined };
    return property ? validateValue(item, property, place) : [];
  });
  return [...errors, ...missing.map((key) => requiredValue(childPath(path, key))), ...ofProperties];
}

function validateEnum(value: unknown, schema: JsonSchema, { path }: Place): FieldError[] {
  if (!schema.enum || schema.enum.some((allowed) => isDeepStrictEqual(allowed, value))) return [];
  const texts = schema.enum.map((allowed) => (typeof allowed === 'string' ? allowed : JSON.stringify(allowed)));
  return [notSupported(path, value, texts)];
}

function validateCombinations(value: unknown, schema: JsonSchema, at: Place): FieldError[] {
  const { allOf, anyOf, oneOf, not } = schema;
  const results = (schemas: readonly JsonSchema[] = []) => schemas.map((inner) => validateValue(value, inner, at));
  const refused = (rule: string): FieldError => invalidValue('<nil>', '', `${JSON.stringify(at.path)} ${rule}`);
  const errors: FieldError[] = [];
  if (allOf) errors.push(...allOfErrors(results(allOf), refused));
  if (anyOf) {
    const found = results(anyOf);
    if (found.every((inner) => inner.length > 0))
      errors.push(refused('must validate at least one schema (anyOf)'), ...best(found));
  }
  if (oneOf) errors.push(...oneOfErrors(results(oneOf), refused));
  if (not && validateValue(value, not, at).length === 0) errors.push(refused('must not validate the schema (not)'));
  return errors;
}

function allOfErrors(found: readonly FieldError[][], refused: (rule: string) => FieldError): FieldError[] {
  const valid = found.filter((errors) => errors.length === 0).length;
  if (valid === found.length) return [];
  return [...found.flat(), refused(`must validate all the schemas (allOf)${valid === 0 ? '. None validated' : ''}`)];
}

function oneOfErrors(found: readonly FieldError[][], refused: (rule: string) => FieldError): FieldError[] {
  const valid = found.filter((errors) => errors.length === 0).length;
  if (valid === 1) return [];
  const rule = 'must validate one and only one schema (oneOf).';
  if (valid > 1) return [refused(`${rule} Found ${valid} valid alternatives`)];
  return [refused(`${rule} Found none valid`), ...best(found)];
}

/** The alternative that was missed by the least. */
function best(found: readonly FieldError[][]): FieldError[] {
  return found.reduce((least, errors) => (errors.length < least.length ? errors : least), found[0] ?? []);
}

function validateEmbedded(value: Record<string, unknown>, path: string): FieldError[] {
  const missing = ['apiVersion', 'kind'].filter((key) => !value[key]);
  return missing.map((key) => requiredValue(childPath(path, key), 'must not be empty'));
}
