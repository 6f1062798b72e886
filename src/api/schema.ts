import schemaData from './data/schema.data.json' with { type: 'json' };
import { isObject } from './patch/merge.ts';
import type { KubeObject } from './types.ts';

/** What the API says of one field. */
export interface FieldSchema {
  /** A type of the schema (`core/v1.Container`) for objects and the items of lists and maps; else a scalar's name. */
  readonly type: string;
  readonly shape: 'single' | 'list' | 'map';
  readonly required: boolean;
  readonly patchStrategy: 'merge' | 'replace' | undefined;
  readonly retainKeys: boolean;
  readonly mergeKey: string | undefined;
  readonly listType: 'map' | 'set' | 'atomic' | undefined;
  readonly listMapKeys: readonly string[] | undefined;
  /** The map is owned as one piece. */
  readonly mapType: 'atomic' | undefined;
  /** Its objects (the items of lists and maps) are owned as one piece each. */
  readonly structType: 'atomic' | undefined;
  /** A struct, list or map that is always there in the typed form, if only empty. */
  readonly embedded: boolean;
  /** What the field is when it is left out (`+default` of the API types), scalars only. */
  readonly default: string | number | boolean | undefined;
}

interface FieldData {
  type: string;
  required?: boolean;
  patchStrategy?: string;
  mergeKey?: string;
  listType?: string;
  listMapKeys?: string[];
  mapType?: 'atomic';
  structType?: 'atomic';
  embedded?: boolean;
  default?: string | number | boolean;
}

const data = schemaData as unknown as Record<string, Record<string, FieldData>>;

/** Groups whose package name is not the group's first label. */
const PACKAGES: Record<string, string> = { '': 'core', 'events.k8s.io': 'events' };

/** The schema type of a kind: `apps/v1` Deployment → `apps/v1.Deployment`. */
export function typeNameOf(kind: { group: string; version: string; kind: string }): string {
  const name = PACKAGES[kind.group] ?? kind.group.split('.')[0]!;
  return `${name}/${kind.version}.${kind.kind}`;
}

/** The field names of a type; undefined for scalars and unknown types. */
export function fieldNames(typeName: string): readonly string[] | undefined {
  return Object.hasOwn(data, typeName) ? Object.keys(data[typeName]!) : undefined;
}

const prepared = new Map<string, ReadonlyMap<string, FieldSchema>>();

/** The fields of a type by their JSON names, prepared once; undefined for scalars and unknown types. */
export function fieldsOf(typeName: string): ReadonlyMap<string, FieldSchema> | undefined {
  const known = prepared.get(typeName);
  if (known || !Object.hasOwn(data, typeName)) return known;
  const fields = new Map(Object.entries(data[typeName]!).map(([name, field]) => [name, toSchema(field)]));
  prepared.set(typeName, fields);
  return fields;
}

/** Undefined for a field that the type does not have, and for every field of an unknown type. */
export function fieldOf(typeName: string | undefined, field: string): FieldSchema | undefined {
  return typeName === undefined ? undefined : fieldsOf(typeName)?.get(field);
}

function toSchema(field: FieldData): FieldSchema {
  const [, prefix = '', type = ''] = /^(\[\]|map\[string\])?(.*)$/.exec(field.type)!;
  const strategies = field.patchStrategy?.split(',') ?? [];
  return {
    type,
    shape: prefix === '' ? 'single' : prefix === '[]' ? 'list' : 'map',
    required: field.required ?? false,
    patchStrategy: strategies.find((name): name is 'merge' | 'replace' => name === 'merge' || name === 'replace'),
    retainKeys: strategies.includes('retainKeys'),
    mergeKey: field.mergeKey,
    listType: field.listType as FieldSchema['listType'],
    listMapKeys: field.listMapKeys,
    mapType: field.mapType,
    structType: field.structType,
    embedded: field.embedded ?? false,
    default: field.default,
  };
}

/** What decoding an object found. */
export interface Findings {
  /** `unknown field "spec.foo"`, in document order. */
  readonly unknown: string[];
  /** Go's wording of a value of the wrong JSON type. */
  readonly wrongTypes: string[];
}

/** Compares an object with its type. */
export function checkFields(typeName: string, object: KubeObject | object): Findings {
  const findings: Findings = { unknown: [], wrongTypes: [] };
  checkObject(object as Record<string, unknown>, { typeName, path: '' }, findings);
  return findings;
}

const SCHEMA = 'apiextensions/v1.JSONSchemaProps';

/** Types that are an object of one type, or some plain value instead. */
const UNIONS: Readonly<Record<string, { readonly type: string; readonly or: (value: unknown) => boolean }>> = {
  JSONSchemaPropsOrBool: { type: SCHEMA, or: (value) => typeof value === 'boolean' },
  JSONSchemaPropsOrArray: { type: SCHEMA, or: Array.isArray },
  JSONSchemaPropsOrStringArray: { type: SCHEMA, or: Array.isArray },
};

/** The type that `value` is to be read as where `type` stands: of a union, the part that fits. */
export function typeFor(type: string, value: unknown): string {
  if (!Object.hasOwn(UNIONS, type)) return type;
  return UNIONS[type]!.or(value) ? 'JSON' : UNIONS[type]!.type;
}

interface Place {
  readonly typeName: string;
  readonly path: string;
}

function checkObject(object: Record<string, unknown>, at: Place, findings: Findings): void {
  const fields = fieldsOf(at.typeName);
  for (const [key, value] of Object.entries(object)) {
    const schema = fields?.get(key);
    const path = at.path === '' ? key : `${at.path}.${key}`;
    if (!schema) findings.unknown.push(`unknown field ${JSON.stringify(path)}`);
    else if (value !== null) checkField(value, { schema, path, owner: at.typeName }, findings);
  }
}

interface FieldPlace {
  readonly schema: FieldSchema;
  readonly path: string;
  readonly owner: string;
}

function checkField(value: unknown, at: FieldPlace, findings: Findings): void {
  const { schema, path } = at;
  if (schema.shape === 'list') {
    if (!Array.isArray(value)) return wrongType(value, `[]${goType(schema.type)}`, at, findings);
    for (const [index, item] of value.entries()) checkSingle(item, { ...at, path: `${path}[${index}]` }, findings);
  } else if (schema.shape === 'map') {
    if (!isObject(value)) return wrongType(value, `map[string]${goType(schema.type)}`, at, findings);
    for (const [key, item] of Object.entries(value)) checkSingle(item, { ...at, path: `${path}.${key}` }, findings);
  } else {
    checkSingle(value, at, findings);
  }
}

function checkSingle(value: unknown, at: FieldPlace, findings: Findings): void {
  if (value === null) return;
  const type = typeFor(at.schema.type, value);
  if (Object.hasOwn(data, type)) {
    if (isObject(value)) checkObject(value, { typeName: type, path: at.path }, findings);
    else wrongType(value, goType(type), at, findings);
  } else if (!(SCALARS[type] ?? anything)(value)) {
    wrongType(value, goType(type), at, findings);
  }
}

const anything = () => true;
const isString = (value: unknown) => typeof value === 'string';
const isInteger = (value: unknown) => Number.isInteger(value);

const SCALARS: Record<string, (value: unknown) => boolean> = {
  string: isString,
  bytes: isString,
  bool: (value) => typeof value === 'boolean',
  int32: (value) => isInteger(value) && Math.abs(value as number) < 2 ** 31,
  int64: isInteger,
  int: isInteger,
  float64: (value) => typeof value === 'number',
  Time: isString,
  MicroTime: isString,
  Duration: isString,
  Quantity: (value) => isString(value) || typeof value === 'number',
  IntOrString: (value) => isString(value) || isInteger(value),
};

function goType(type: string): string {
  return Object.hasOwn(data, type) ? type.replace(/^.*\//, '') : type;
}

function wrongType(value: unknown, expected: string, at: FieldPlace, findings: Findings): void {
  const owner = at.owner.replace(/^.*\./, '');
  const path = at.path.replace(/\[\d+\]/g, '');
  findings.wrongTypes.push(
    `json: cannot unmarshal ${jsonType(value, expected)} into Go struct field ${owner}.${path} of type ${expected}`,
  );
}

/** Go shows a number only where it wanted another number. */
function jsonType(value: unknown, expected: string): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'number' && expected.startsWith('int') ? `number ${value}` : typeof value;
}
