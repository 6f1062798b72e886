import { type FieldSchema, fieldNames, fieldOf } from '../../api/schema.ts';

/** A JSON schema as OpenAPI has it. */
export type Schema = Record<string, unknown>;

/** Texts of a type and of its fields. */
export interface Description {
  readonly text: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
}

/** Answers undefined for types without any description. */
export type Describe = (typeName: string) => Description | undefined;

const PACKAGES: Readonly<Record<string, string>> = { meta: 'io.k8s.apimachinery.pkg.apis.meta' };

/** `core/v1.Pod` → `io.k8s.api.core.v1.Pod`. */
export function componentName(typeName: string): string {
  const [, group = '', rest = ''] = /^([^/]+)\/(.+)$/.exec(typeName) ?? [];
  return `${PACKAGES[group] ?? `io.k8s.api.${group}`}.${rest}`;
}

export interface SchemaOptions {
  describe: Describe;
  /** Where references lead: `#/components/schemas/` or `#/definitions/`. */
  refPrefix: string;
}

/** The schemas of `roots` and of every type that they reach, by component name. */
export function schemasOf(roots: readonly string[], options: SchemaOptions): Record<string, Schema> {
  const schemas: Record<string, Schema> = {};
  const queue = [...roots];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const component = componentName(name);
    if (Object.hasOwn(schemas, component)) continue;
    schemas[component] = objectSchema(name, options);
    for (const field of fieldNames(name) ?? []) {
      const { type } = fieldOf(name, field)!;
      if (fieldNames(type)) queue.push(type);
    }
  }
  return schemas;
}

function objectSchema(typeName: string, options: SchemaOptions): Schema {
  const description = options.describe(typeName);
  const fields = (fieldNames(typeName) ?? []).map((name) => ({ name, schema: fieldOf(typeName, name)! }));
  const properties = fields.map(({ name, schema }) => [name, fieldSchema(schema, description?.fields[name], options)]);
  const required = fields.filter(({ schema }) => schema.required).map(({ name }) => name);
  return {
    ...(description?.text ? { description: description.text } : {}),
    type: 'object',
    ...(properties.length > 0 ? { properties: Object.fromEntries(properties) } : {}),
    ...(required.length > 0 ? { required } : {}),
  };
}

function fieldSchema(field: FieldSchema, description: string | undefined, options: SchemaOptions): Schema {
  const item = typeSchema(field.type, options);
  const text = description ? { description } : {};
  if (field.shape === 'map') return { ...text, type: 'object', additionalProperties: item };
  if (field.shape === 'list') return { ...text, type: 'array', items: item, ...listMarkers(field) };
  return '$ref' in item
    ? { ...text, allOf: [item], default: {}, ...patchMarkers(field) }
    : { ...text, ...item, ...patchMarkers(field) };
}

function listMarkers(field: FieldSchema): Schema {
  const { listType, listMapKeys } = field;
  return {
    ...(listType ? { 'x-kubernetes-list-type': listType } : {}),
    ...(listMapKeys ? { 'x-kubernetes-list-map-keys': listMapKeys } : {}),
    ...patchMarkers(field),
  };
}

function patchMarkers({ mergeKey, patchStrategy, retainKeys }: FieldSchema): Schema {
  const strategies = [...(patchStrategy ? [patchStrategy] : []), ...(retainKeys ? ['retainKeys'] : [])];
  return {
    ...(mergeKey ? { 'x-kubernetes-patch-merge-key': mergeKey } : {}),
    ...(strategies.length > 0 ? { 'x-kubernetes-patch-strategy': strategies.join(',') } : {}),
  };
}

const SCALARS: Readonly<Record<string, Schema>> = {
  string: { type: 'string' },
  bytes: { type: 'string', format: 'byte' },
  bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  int: { type: 'integer', format: 'int32' },
  Time: { type: 'string', format: 'date-time' },
  MicroTime: { type: 'string', format: 'date-time' },
  Duration: { type: 'string' },
  Quantity: { type: 'string' },
  JSON: {},
  JSONSchemaPropsOrBool: {},
  JSONSchemaPropsOrArray: {},
  JSONSchemaPropsOrStringArray: {},
  IntOrString: { type: 'string', format: 'int-or-string' },
};

function typeSchema(type: string, { refPrefix }: SchemaOptions): Schema {
  if (fieldNames(type)) return { $ref: `${refPrefix}${componentName(type)}` };
  return SCALARS[type] ?? { type: 'object' };
}
