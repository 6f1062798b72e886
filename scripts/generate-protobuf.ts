/**
 * Writes src/apiserver/protobuf/messages.data.json: wire numbers and types of every message that a served kind reaches.
 * Usage: node scripts/generate-protobuf.ts <protobuf.json> <patch-metadata.json>
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { registry } from '../src/api/registry.ts';

type Messages = Record<string, Record<string, [number, string]>>;
interface GoField {
  json: string;
  type: string;
  inline?: boolean;
  pointer?: boolean;
  omitempty?: boolean;
}
type GoTypes = Record<string, { kind: string; fields?: GoField[] }>;

const [wirePath, typesPath] = process.argv.slice(2);
const packages = (JSON.parse(readFileSync(wirePath!, 'utf8')) as { packages: Record<string, Messages[string]> })
  .packages;
const goTypes = (JSON.parse(readFileSync(typesPath!, 'utf8')) as { types: GoTypes }).types;
const messages: Messages = Object.fromEntries(
  Object.entries(packages).flatMap(([name, entries]) =>
    Object.entries(entries).map(([message, fields]) => [`${shortPackage(name)}.${message}`, fields as never]),
  ),
);

/** Kinds beyond the registry: subresources, reviews, discovery and what `meta/v1` serves in every group. */
const MORE_KINDS: [apiVersion: string, kind: string][] = [
  ['v1', 'Binding'],
  ['v1', 'List'],
  ['v1', 'Status'],
  ['v1', 'APIVersions'],
  ['v1', 'APIGroup'],
  ['v1', 'APIGroupList'],
  ['v1', 'APIResourceList'],
  ['v1', 'DeleteOptions'],
  ['meta.k8s.io/v1', 'PartialObjectMetadata'],
  ['meta.k8s.io/v1', 'PartialObjectMetadataList'],
  ['apidiscovery.k8s.io/v2', 'APIGroupDiscoveryList'],
  ['autoscaling/v1', 'Scale'],
  ['autoscaling/v1', 'HorizontalPodAutoscaler'],
  ['autoscaling/v1', 'HorizontalPodAutoscalerList'],
  ['events.k8s.io/v1', 'Event'],
  ['events.k8s.io/v1', 'EventList'],
  ['extensions/v1beta1', 'Ingress'],
  ['extensions/v1beta1', 'IngressList'],
  ['networking.k8s.io/v1beta1', 'Ingress'],
  ['networking.k8s.io/v1beta1', 'IngressList'],
  ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
  ['apiextensions.k8s.io/v1', 'CustomResourceDefinitionList'],
  ['policy/v1', 'Eviction'],
  ['authentication.k8s.io/v1', 'SelfSubjectReview'],
  ['authentication.k8s.io/v1', 'TokenRequest'],
  ['authentication.k8s.io/v1', 'TokenReview'],
  ['authorization.k8s.io/v1', 'LocalSubjectAccessReview'],
  ['authorization.k8s.io/v1', 'SelfSubjectAccessReview'],
  ['authorization.k8s.io/v1', 'SelfSubjectRulesReview'],
  ['authorization.k8s.io/v1', 'SubjectAccessReview'],
];
/** Types whose JSON is not an object of their fields; the codec knows them by name. */
const WELL_KNOWN = new Set([
  'Time',
  'MicroTime',
  'Duration',
  'Quantity',
  'IntOrString',
  'RawExtension',
  'FieldsV1',
  'JSON',
]);

const kinds = Object.fromEntries(
  [...servedKinds(), ...MORE_KINDS].map(([version, kind]) => [`${version}/${kind}`, messageOf(version, kind)]),
);
const reached = new Map<string, Record<string, unknown>>();
const queue = Object.values(kinds);
for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
  if (!reached.has(name)) reached.set(name, fieldsOf(name));
}
const sorted = [...reached].sort(([a], [b]) => (a < b ? -1 : 1));
writeFileSync(new URL('../src/apiserver/protobuf/messages.data.json', import.meta.url), format());

function servedKinds(): [string, string][] {
  return registry.flatMap(({ group, version, kind }) => {
    const apiVersion = group === '' ? version : `${group}/${version}`;
    return [
      [apiVersion, kind],
      [apiVersion, `${kind}List`],
    ] as [string, string][];
  });
}

function shortPackage(name: string): string {
  return name.split('.').slice(-2).join('/');
}

function messageOf(apiVersion: string, kind: string): string {
  const [version = '', group = 'core'] = apiVersion.split('/').reverse();
  const own = `${group.split('.')[0]}/${version}.${kind}`;
  const name = messages[own] ? own : `meta/v1.${kind}`;
  if (!messages[name]) throw new Error(`no message for ${apiVersion} ${kind}`);
  return name;
}

function fieldsOf(name: string): Record<string, unknown> {
  const goFields = goTypes[name]?.fields ?? [];
  const rows = Object.entries(messages[name] ?? {}).map(([field, [number, type]]) => {
    // `x-kubernetes-list-type` is xKubernetesListType on the wire, and `$ref` is ref.
    const own = goFields.find(({ json }) => json.replace(/[^a-z0-9]/gi, '').toLowerCase() === field.toLowerCase());
    const resolved = resolve(type, name);
    if (own) return [own.json, plainRow(number, resolved, own)];
    const embedded = goFields.some(({ inline, type: goType }) => inline && goType === resolved);
    return [field, embedded ? [number, resolved, 'inline'] : [number, resolved]];
  });
  return Object.fromEntries(rows);
}

/** `zero`: the JSON form shows zero values, because the field is optional by pointer or always written. */
function plainRow(number: number, type: string, field: GoField): unknown[] {
  const scalar = !/^(repeated|map) |\//.test(type);
  const zero = scalar && (field.pointer || !field.omitempty);
  return zero ? [number, type, 'zero'] : [number, type];
}

/** `repeated core/v1.Container`, `map bytes`, `Quantity`, `strings`, `int32`; queues the messages it names. */
function resolve(type: string, inside: string): string {
  const map = /^map<string,(.*)>$/.exec(type);
  if (map) return `map ${resolve(map[1]!, inside)}`;
  if (type.startsWith('repeated ')) return `repeated ${resolve(type.slice(9), inside)}`;
  if (/^(string|bool|bytes|int32|int64|double)$/.test(type)) return type;
  const base = type.split('.').at(-1)!;
  if (WELL_KNOWN.has(base)) return base;
  const name = type.startsWith('.')
    ? `${shortPackage(type.slice(1, -base.length - 1))}.${base}`
    : `${inside.split('.')[0]}.${base}`;
  if (goTypes[name]?.kind === 'named' && messages[name]?.['items']) return 'strings';
  if (!messages[name]) throw new Error(`unknown type ${type} in ${inside}`);
  queue.push(name);
  return name;
}

function format(): string {
  const kindRows = Object.entries(kinds).map(([kind, name]) => `    ${JSON.stringify(kind)}: ${JSON.stringify(name)}`);
  const messageRows = sorted.map(([name, fields]) => `    ${JSON.stringify(name)}: ${JSON.stringify(fields)}`);
  return `{\n  "kinds": {\n${kindRows.join(',\n')}\n  },\n  "messages": {\n${messageRows.join(',\n')}\n  }\n}\n`;
}
