import data from './messages.data.json' with { type: 'json' };

/** One field of a message on the wire, and its place in JSON. */
export interface Field {
  readonly number: number;
  /** JSON name. */
  readonly name: string;
  readonly cardinality: 'one' | 'repeated' | 'map';
  /** A scalar, a well-known type, or the name of another message. Of a map: its values' (keys are strings). */
  readonly type: string;
  /** Its own fields stand in the parent's JSON object. */
  readonly inline: boolean;
  /** JSON shows its zero value: it is optional by presence, or always written. */
  readonly zero: boolean;
}

export interface Message {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
}

const rows = data.messages as unknown as Record<string, Record<string, [number, string, string?]>>;
const kinds = data.kinds as Record<string, string>;
const messages = new Map<string, Message>();

/** Kinds of `meta/v1` that every group version knows. */
const META_KINDS = new Set(['DeleteOptions', 'Status']);

/** The message of a kind; undefined for kinds without one (custom resources, Table). */
export function messageOfKind(apiVersion: string, kind: string): Message | undefined {
  const version = apiVersion === 'meta.k8s.io/v1beta1' ? 'meta.k8s.io/v1' : apiVersion;
  const key = META_KINDS.has(kind) ? `v1/${kind}` : `${version}/${kind}`;
  const name = Object.hasOwn(kinds, key) ? kinds[key] : undefined;
  return name === undefined ? undefined : message(name);
}

/** By its name in the data (`core/v1.PodSpec`); undefined for scalars. Prepared on first use. */
export function message(name: string): Message | undefined {
  const known = messages.get(name);
  if (known || !Object.hasOwn(rows, name)) return known;
  const fields = Object.entries(rows[name] ?? {}).map(([field, row]) => prepare(field, row));
  const prepared = { name, fields, byNumber: new Map(fields.map((field) => [field.number, field])) };
  messages.set(name, prepared);
  return prepared;
}

/** `apiVersion/kind` of every kind with a message. */
export function protobufKinds(): string[] {
  return Object.keys(kinds);
}

function prepare(name: string, [number, text, mark]: [number, string, string?]): Field {
  const [, prefix, type = ''] = /^(repeated |map )?(.*)$/.exec(text) ?? [];
  const cardinality = prefix === undefined ? 'one' : prefix === 'map ' ? 'map' : 'repeated';
  return { number, name, cardinality, type, inline: mark === 'inline', zero: mark === 'zero' };
}
