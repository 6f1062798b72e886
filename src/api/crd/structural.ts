import { type FieldError, forbidden, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { setSchemaDefaults } from './defaults.ts';
import { compilePattern } from './pattern.ts';
import { pruneUnknown } from './prune.ts';
import { ruleProblem } from './rules.ts';
import { innerSchemas, type JsonSchema } from './schema.ts';
import { validateValue } from './value.ts';

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** The rules that a schema of a CustomResourceDefinition breaks (`apiextensions` structural schemas). `path` is the schema's. */
export function validateStructural(schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!schema.type) errors.push(requiredValue(`${path}.type`, 'must not be empty at the root'));
  else if (schema.type !== 'object')
    errors.push(invalidValue(`${path}.type`, schema.type, 'must be object at the root'));
  if (schema.additionalProperties !== undefined && schema.additionalProperties !== false)
    errors.push(forbidden(`${path}.additionalProperties`, 'must not be used at the root'));
  return [...errors, ...validateMetadata(schema, path), ...validateSchema(schema, path)];
}

function validateMetadata(schema: JsonSchema, path: string): FieldError[] {
  const metadata = schema.properties?.['metadata'];
  if (!metadata) return [];
  const { type: _type, properties = {}, description: _text, ...more } = metadata;
  const others = Object.keys(properties).some((key) => key !== 'name' && key !== 'generateName');
  if (Object.keys(more).length === 0 && !others) return [];
  const detail = 'must not specify anything other than name and generateName, but metadata is implicitly specified';
  return [forbidden(`${path}.properties[metadata]`, detail)];
}

function validateSchema(schema: JsonSchema, path: string): FieldError[] {
  return [
    ...validateTypes(schema, path),
    ...validateUnsupported(schema, path),
    ...validateLists(schema, path),
    ...validateDefault(schema, path),
    ...validateNested(schema, path),
    ...validateRuleTexts(schema, path),
    ...innerSchemas(schema).flatMap(({ place, schema: inner }) => [
      ...validatePresence(inner, `${path}.${place}`),
      ...validateSchema(inner, `${path}.${place}`),
    ]),
  ];
}

function validatePresence(schema: JsonSchema, path: string): FieldError[] {
  const free = schema['x-kubernetes-int-or-string'] || schema['x-kubernetes-preserve-unknown-fields'];
  if (schema.type || free) return [];
  const of = path.endsWith('.items') ? 'array items' : 'object fields';
  return [requiredValue(`${path}.type`, `must not be empty for specified ${of}`)];
}

function validateTypes(schema: JsonSchema, path: string): FieldError[] {
  const { type, items, properties, additionalProperties: additional } = schema;
  const errors: FieldError[] = [];
  if (type !== undefined && !TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, TYPES));
  if (type !== undefined && schema['x-kubernetes-int-or-string'])
    errors.push(invalidValue(`${path}.type`, type, 'must be empty if x-kubernetes-int-or-string is true'));
  if (type === 'array' && !items) errors.push(requiredValue(`${path}.items`, 'must be specified'));
  if (additional === false)
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false'));
  if (additional && Object.keys(properties ?? {}).length > 0)
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'));
  if (schema['x-kubernetes-embedded-resource']) {
    if (type !== 'object') {
      const detail = 'must be object if x-kubernetes-embedded-resource is true';
      errors.push(invalidValue(`${path}.type`, type ?? '', detail));
    }
    if (!properties && !schema['x-kubernetes-preserve-unknown-fields']) {
      const detail =
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
      errors.push(requiredValue(`${path}.properties`, detail));
    }
  }
  return errors;
}

const UNSUPPORTED = ['definitions', 'dependencies', 'patternProperties', 'additionalItems', '$ref', 'id', '$schema'];

function validateUnsupported(schema: JsonSchema, path: string): FieldError[] {
  const errors = UNSUPPORTED.filter((key) => (schema as Record<string, unknown>)[key] !== undefined).map((key) =>
    forbidden(`${path}.${key}`, `${key} is not supported`),
  );
  if (schema.uniqueItems) {
    const detail = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.push(forbidden(`${path}.uniqueItems`, detail));
  }
  if (Array.isArray(schema.items))
    errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
  if (schema.pattern !== undefined && !compilePattern(schema.pattern)) {
    const detail = "must be a valid regular expression, but isn't: error parsing regexp";
    errors.push(invalidValue(`${path}.pattern`, schema.pattern, detail));
  }
  return errors;
}

function validateLists(schema: JsonSchema, path: string): FieldError[] {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const errors: FieldError[] = [];
  if (listType !== undefined && !['atomic', 'set', 'map'].includes(listType))
    errors.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'map', 'set']));
  if (listType !== undefined && schema.type !== 'array') {
    const detail = 'must be array if x-kubernetes-list-type is specified';
    errors.push(invalidValue(`${path}.type`, schema.type ?? '', detail));
  }
  const keysPath = `${path}.x-kubernetes-list-map-keys`;
  if (listType === 'map' && keys.length === 0)
    errors.push(requiredValue(keysPath, 'must not be empty if x-kubernetes-list-type is map'));
  if (listType !== 'map' && keys.length > 0)
    errors.push(invalidValue(keysPath, keys, 'must be empty if x-kubernetes-list-type is not map'));
  return listType === 'map' ? [...errors, ...validateMapKeys(schema, path)] : errors;
}

function validateMapKeys({ items, ...schema }: JsonSchema, path: string): FieldError[] {
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  return keys.flatMap((key, index) => {
    const property = items?.properties?.[key];
    if (!property) {
      const detail = 'entries must all be names of item properties';
      return [invalidValue(`${path}.x-kubernetes-list-map-keys[${index}]`, key, detail)];
    }
    if (items?.required?.includes(key) || property.default !== undefined) return [];
    const detail =
      'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
    return [requiredValue(`${path}.items.properties[${key}].default`, detail)];
  });
}

function validateDefault(schema: JsonSchema, path: string): FieldError[] {
  if (schema.default === undefined) return [];
  const value = structuredClone(schema.default);
  const probe = { value };
  const holder: JsonSchema = { type: 'object', properties: { value: { ...schema, default: undefined } } };
  const unknown = pruneUnknown(probe, holder);
  if (unknown.length > 0) return [invalidValue(`${path}.default`, schema.default, 'must not have unknown fields')];
  setSchemaDefaults(probe, holder);
  return validateValue(probe.value, schema, { path: `${path}.default` });
}

/** What schemas inside `allOf` and its like may not say: only values are theirs to judge. */
const STRUCTURE = ['additionalProperties', 'default', 'description', 'nullable', 'title', 'type'] as const;
const EXTENSIONS = [
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
] as const;

function validateNested(schema: JsonSchema, path: string): FieldError[] {
  const lists = (['allOf', 'anyOf', 'oneOf'] as const).flatMap((key) =>
    (schema[key] ?? []).map((inner, index) => ({ inner, place: `${path}.${key}[${index}]` })),
  );
  const all = schema.not ? [...lists, { inner: schema.not, place: `${path}.not` }] : lists;
  const mayBeTyped = schema['x-kubernetes-int-or-string'] === true;
  return all.flatMap(({ inner, place }) => nestedErrors(inner, { outer: schema, path: place, mayBeTyped }));
}

function nestedErrors(
  schema: JsonSchema,
  { outer, path, mayBeTyped }: { outer: JsonSchema; path: string; mayBeTyped: boolean },
): FieldError[] {
  const structure = STRUCTURE.filter((key) => schema[key] !== undefined && !(mayBeTyped && key === 'type'));
  const said = [...structure, ...EXTENSIONS.filter((key) => schema[key])];
  const errors = said.map((key) => forbidden(`${path}.${key}`, 'must be empty to be structural'));
  const missing = Object.keys(schema.properties ?? {}).filter(
    (key) => !outer.properties?.[key] && !outer['x-kubernetes-preserve-unknown-fields'],
  );
  const outside = path.replace(/\.(allOf|anyOf|oneOf)\[\d+\]$|\.not$/, '');
  return [
    ...errors,
    ...missing.map((key) =>
      requiredValue(`${outside}.properties[${key}]`, `because it is defined in ${path}.properties[${key}]`),
    ),
    ...Object.entries(schema.properties ?? {}).flatMap(([key, inner]) =>
      nestedErrors(inner, {
        outer: outer.properties?.[key] ?? inner,
        path: `${path}.properties[${key}]`,
        mayBeTyped: outer.properties?.[key]?.['x-kubernetes-int-or-string'] === true,
      }),
    ),
  ];
}

function validateRuleTexts(schema: JsonSchema, path: string): FieldError[] {
  return (schema['x-kubernetes-validations'] ?? []).flatMap((rule, index) => {
    const at = `${path}.x-kubernetes-validations[${index}]`;
    if (!rule.rule?.trim()) return [requiredValue(`${at}.rule`, 'rule is not specified')];
    const problem = ruleProblem(rule);
    return problem === undefined ? [] : [invalidValue(`${at}.rule`, rule, `compilation failed: ERROR: ${problem}`)];
  });
}
