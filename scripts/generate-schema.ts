/**
 * Writes src/api/data/schema.data.json: the fields of every type that the registry's kinds reach, from a table of API
 * facts. Usage: node scripts/generate-schema.ts <patch-metadata.json>
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface FactField {
  json: string;
  type: string;
  inline?: boolean;
  pointer?: boolean;
  omitempty?: boolean;
  default?: unknown;
  mapType?: string;
  structType?: string;
  required?: boolean;
  patchStrategy?: string;
  patchMergeKey?: string;
  listType?: string;
  listMapKeys?: string[];
}
interface FactType {
  kind: 'struct' | 'named';
  structType?: string;
  underlying?: string;
  /** It reads and writes its JSON in a way of its own. */
  customJSON?: string;
  fields?: FactField[];
}
interface Facts {
  types: Record<string, FactType>;
}

/** Package prefixes of the facts that hold whole API groups. */
const ROOTS = [
  'core/v1.',
  'apps/v1.',
  'discovery/v1.',
  'coordination/v1.',
  'networking/v1.',
  'batch/v1.',
  'autoscaling/v1.',
  'autoscaling/v2.',
  'authentication/v1.',
  'authorization/v1.',
  'policy/v1.',
  'rbac/v1.',
  'storage/v1.',
  'scheduling/v1.',
  'node/v1.',
  'certificates/v1.',
  'admissionregistration/v1.',
  'apiextensions/v1.',
  'events/v1.',
  'extensions/v1beta1.Ingress',
  'networking/v1beta1.Ingress',
];

const facts = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Facts;
const types: Record<string, Record<string, unknown>> = {};
const queue = Object.keys(facts.types).filter((name) => ROOTS.some((root) => name.startsWith(root)));
for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
  if (types[name] || facts.types[name]?.kind !== 'struct') continue;
  types[name] = Object.fromEntries(fieldsOf(name));
}
writeFileSync(new URL('../src/api/data/schema.data.json', import.meta.url), `${format(types)}\n`);

function fieldsOf(typeName: string): [string, unknown][] {
  const fields = facts.types[typeName]?.fields ?? [];
  return fields.flatMap((field) =>
    field.inline ? fieldsOf(field.type) : [[field.json, entry(field)] as [string, unknown]],
  );
}

function entry(field: FactField): unknown {
  const type = resolve(field.type);
  queue.push(type.replace(/^(\[\]|map\[string\])+/, ''));
  const { required, patchStrategy, patchMergeKey: mergeKey, listType, listMapKeys } = field;
  return {
    type,
    required: required || undefined,
    patchStrategy,
    mergeKey,
    listType,
    listMapKeys,
    ...ownership(field, type),
    default: typeof field.default === 'object' ? undefined : field.default,
  };
}

/** What server-side apply asks besides: which maps and structs are one piece, and what is always there. */
function ownership({ mapType, structType, pointer, omitempty }: FactField, type: string): object {
  const item = facts.types[type.replace(/^(\[\]|map\[string\])/, '')];
  const struct = item?.kind === 'struct';
  const whole = struct && (structType ?? item.structType) === 'atomic';
  const embedded = /^(\[\]|map\[)/.test(type) ? !omitempty : struct && !pointer;
  return {
    mapType: mapType === 'atomic' ? mapType : undefined,
    structType: whole ? 'atomic' : undefined,
    embedded: embedded || undefined,
  };
}

function resolve(type: string): string {
  if (type === '[]byte') return 'bytes';
  const prefix = /^(\[\]|map\[[^\]]+\])/.exec(type)?.[0];
  if (prefix) return (prefix === '[]' ? '[]' : 'map[string]') + resolve(type.slice(prefix.length));
  const named = facts.types[type];
  // Schemas that may also be a boolean or a list keep their names: `unionOf` of schema.ts knows them.
  if (named?.customJSON) return type.replace('apiextensions/v1.', '');
  return named?.kind === 'named' && named.underlying ? resolve(named.underlying) : type;
}

function format(all: Record<string, Record<string, unknown>>): string {
  const lines = Object.keys(all)
    .sort()
    .map((name) => `${JSON.stringify(name)}: ${JSON.stringify(all[name])}`);
  return `{\n${lines.join(',\n')}\n}`;
}
