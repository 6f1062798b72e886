/** `apiextensions.k8s.io/v1 JSONSchemaProps`, as far as structural schemas may use it. */
export interface JsonSchema {
  readonly type?: string;
  readonly format?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly allOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly not?: JsonSchema;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
}

/** A rule in CEL (KEP-2876). */
export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

/** The schema of a named property; undefined for one that the schema does not know. */
export function propertySchema(schema: JsonSchema, key: string): JsonSchema | undefined {
  if (schema.properties && Object.hasOwn(schema.properties, key)) return schema.properties[key];
  const { additionalProperties: additional } = schema;
  return typeof additional === 'object' ? additional : undefined;
}

/** Every schema directly inside `schema` that describes a part of its value, with its place: `properties[spec]`. */
export function innerSchemas(schema: JsonSchema): { place: string; schema: JsonSchema }[] {
  const { items, additionalProperties } = schema;
  const properties = Object.entries(schema.properties ?? {});
  return [
    ...properties.map(([key, inner]) => ({ place: `properties[${key}]`, schema: inner })),
    // A list of schemas is refused, not looked into.
    ...(items && !Array.isArray(items) ? [{ place: 'items', schema: items }] : []),
    ...(typeof additionalProperties === 'object'
      ? [{ place: 'additionalProperties', schema: additionalProperties }]
      : []),
  ];
}

/** Whether `holds` is true of `schema` or of any schema inside it. */
export function someSchema(schema: JsonSchema, holds: (schema: JsonSchema) => boolean): boolean {
  return holds(schema) || innerSchemas(schema).some((inner) => someSchema(inner.schema, holds));
}

/** `spec.list[0].name` out of `spec.list[0]` and `name`. */
export function childPath(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
