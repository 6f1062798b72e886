import { ApiError, badRequest } from '../../api/errors.ts';
import { AssertionError } from '../../lib/assert.ts';
import { type Field, type Message, message, messageOfKind } from './messages.ts';
import { createReader, eachField, LENGTH_DELIMITED, type Reader, scalars } from './scalars.ts';
import { fromUnion } from './unions.ts';

/** `k8s` and a zero octet: how every body of `application/vnd.kubernetes.protobuf` begins. */
export const MAGIC = Buffer.from('k8s\0');

/** An object in its JSON form. */
export type JsonObject = Record<string, unknown>;

export interface Decoded {
  readonly apiVersion: string;
  readonly kind: string;
  /** With `apiVersion` and `kind`, as JSON would have brought it. */
  readonly object: JsonObject;
}

/** Objects inside objects (`List` in `List`), beyond what anyone writes. */
const MAX_DEPTH = 64;

/**
 * A body of `application/vnd.kubernetes.protobuf`: the magic octets and a `runtime.Unknown`. Throws BadRequest for
 * anything that is not one, and for kinds that have no protobuf form here.
 */
export function decodeProtobuf(body: Uint8Array): Decoded {
  try {
    return decodeUnknown(body, 0);
  } catch (error) {
    if (error instanceof ApiError || error instanceof AssertionError) throw error;
    throw badRequest(`malformed protobuf: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** `runtime.Unknown`: typeMeta 1 (apiVersion 1, kind 2), raw 2, contentEncoding 3, contentType 4. */
interface Unknown {
  apiVersion: string;
  kind: string;
  raw: Uint8Array;
  contentType: string;
}

function decodeUnknown(body: Uint8Array, depth: number): Decoded {
  if (!MAGIC.equals(body.subarray(0, MAGIC.length))) {
    throw badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  const { apiVersion, kind, raw, contentType } = readUnknown(createReader(body.subarray(MAGIC.length)));
  const known = messageOfKind(apiVersion, kind);
  if (contentType === 'application/json') return { apiVersion, kind, object: parseJson(raw) };
  if (!known)
    throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  return { apiVersion, kind, object: { apiVersion, kind, ...readMessage(createReader(raw), known, depth) } };
}

function readUnknown(reader: Reader): Unknown {
  const unknown: Unknown = { apiVersion: '', kind: '', raw: new Uint8Array(), contentType: '' };
  eachField(reader, (number, wireType) => {
    if (wireType !== LENGTH_DELIMITED) return false;
    if (number === 1) readTypeMeta(createReader(reader.bytes()), unknown);
    else if (number === 2) unknown.raw = reader.bytes();
    else if (number === 4) unknown.contentType = reader.string();
    else return false;
    return true;
  });
  return unknown;
}

function readTypeMeta(reader: Reader, into: Unknown): void {
  eachField(reader, (number, wireType) => {
    if (wireType !== LENGTH_DELIMITED || number > 2) return false;
    if (number === 1) into.apiVersion = reader.string();
    else into.kind = reader.string();
    return true;
  });
}

function readMessage(reader: Reader, type: Message, depth: number): JsonObject {
  if (depth > MAX_DEPTH) throw badRequest(`protobuf nested deeper than ${MAX_DEPTH} levels`);
  const object: JsonObject = {};
  eachField(reader, (number, wireType) => {
    const field = type.byNumber.get(number);
    return field ? readField({ reader, field, wireType, object, depth }) : false;
  });
  return object;
}

interface FieldReading {
  reader: Reader;
  field: Field;
  wireType: number;
  object: JsonObject;
  depth: number;
}

/** False when the wire type is not the field's: then it is skipped, like an unknown field. */
function readField({ reader, field, wireType, object, depth }: FieldReading): boolean {
  const expected = field.cardinality === 'map' ? LENGTH_DELIMITED : (scalars[field.type]?.wireType ?? LENGTH_DELIMITED);
  if (field.cardinality === 'repeated' && wireType !== expected && wireType === LENGTH_DELIMITED) {
    const packed = createReader(reader.bytes());
    while (packed.pos < packed.len) append(object, field.name, readValue(packed, field.type, depth));
    return true;
  }
  if (wireType !== expected) return false;
  if (field.cardinality === 'map') readMapEntry(createReader(reader.bytes()), field, object, depth);
  else if (field.cardinality === 'repeated') append(object, field.name, readValue(reader, field.type, depth));
  else setField(object, field, readValue(reader, field.type, depth));
  return true;
}

function setField(object: JsonObject, field: Field, value: unknown): void {
  if (value === undefined) return;
  if (field.inline) Object.assign(object, value);
  else if (field.zero || !scalars[field.type]?.isZero(value)) object[field.name] = value;
}

function append(object: JsonObject, name: string, value: unknown): void {
  object[name] ??= [];
  const list = object[name] as unknown[];
  list.push(value ?? null);
}

function readMapEntry(reader: Reader, field: Field, object: JsonObject, depth: number): void {
  let key = '';
  let value: unknown = scalars[field.type] ? '' : {};
  eachField(reader, (number, wireType) => {
    if (number === 1 && wireType === LENGTH_DELIMITED) key = reader.string();
    else if (number === 2 && wireType === LENGTH_DELIMITED) value = readValue(reader, field.type, depth);
    else return false;
    return true;
  });
  object[field.name] ??= {};
  const map = object[field.name] as JsonObject;
  // A plain assignment of the key `__proto__` would set the prototype.
  Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
}

function readValue(reader: Reader, type: string, depth: number): unknown {
  const scalar = scalars[type];
  if (scalar) return scalar.read(reader);
  if (type === 'RawExtension') return readRaw(createReader(reader.bytes()), depth);
  const nested = message(type);
  if (!nested) throw badRequest(`no message ${type}`);
  return fromUnion(type, readMessage(createReader(reader.bytes()), nested, depth + 1));
}

/** `runtime.RawExtension`: one field of bytes, which hold JSON or a whole protobuf body. */
function readRaw(reader: Reader, depth: number): unknown {
  let raw = new Uint8Array();
  eachField(reader, (number, wireType) => {
    if (number !== 1 || wireType !== LENGTH_DELIMITED) return false;
    raw = Uint8Array.from(reader.bytes());
    return true;
  });
  if (raw.length === 0) return undefined;
  return MAGIC.equals(raw.subarray(0, MAGIC.length)) ? decodeUnknown(raw, depth + 1).object : parseJson(raw);
}

function parseJson(raw: Uint8Array): JsonObject {
  const value: unknown = JSON.parse(Buffer.from(raw).toString());
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badRequest('expected a JSON object');
  return value as JsonObject;
}
