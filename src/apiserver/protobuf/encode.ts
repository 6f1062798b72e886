import { ApiError } from '../../api/errors.ts';
import { type JsonObject, MAGIC } from './decode.ts';
import { type Field, type Message, message, messageOfKind } from './messages.ts';
import { createWriter, LENGTH_DELIMITED, scalars, UnfitValue, type Writer, writeDelimited } from './scalars.ts';
import { toUnion } from './unions.ts';

/** Whether {@link encodeProtobuf} knows the kind; other kinds are answered as JSON. */
export function hasProtobuf(object: { readonly apiVersion?: unknown; readonly kind?: unknown }): boolean {
  return messageOfKind(String(object.apiVersion), String(object.kind)) !== undefined;
}

/**
 * An object or list as a body of `application/vnd.kubernetes.protobuf`. JSON fields that the kind does not have are left
 * out. Throws NotAcceptable for kinds without a protobuf form, InternalError for a value that does not fit its field.
 */
export function encodeProtobuf(object: JsonObject): Buffer {
  const type = { apiVersion: String(object['apiVersion']), kind: String(object['kind']) };
  return wrapMessage(type, encodeMessage(object));
}

/** The message of an object, without the envelope that names its type. Throws as {@link encodeProtobuf}. */
export function encodeMessage(object: JsonObject): Uint8Array {
  const known = messageOfKind(String(object['apiVersion']), String(object['kind']));
  if (!known)
    throw new ApiError('NotAcceptable', `${object['apiVersion']}, Kind=${object['kind']} has no protobuf form`);
  const writer = createWriter();
  writeMessage(writer, known, object);
  return writer.finish();
}

export interface TypeMeta {
  readonly apiVersion: string;
  readonly kind: string;
}

/** A body from a message that was encoded before. */
export function wrapMessage(type: TypeMeta, message: Uint8Array): Buffer {
  return Buffer.concat([...envelope(type, message.length), message, ENVELOPE_END]);
}

/** A list's body from the messages of its items, which are copied once. */
export function encodeListOf(type: TypeMeta, metadata: JsonObject, items: readonly Uint8Array[]): Buffer {
  const meta = createWriter();
  writeDelimited(meta, 1, (nested) => writeMessage(nested, message('meta/v1.ListMeta')!, metadata));
  const parts: Uint8Array[] = [meta.finish()];
  for (const item of items) parts.push(header(2, item.length), item);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([...envelope(type, length), ...parts, ENVELOPE_END]);
}

/** A watch event as protobuf watch streams carry it: four octets of length (big-endian), then a `meta/v1 WatchEvent`. */
export function frameWatchEvent(type: string, body: Uint8Array): Buffer {
  const writer = createWriter();
  writer.uint32(tag(1)).string(type);
  writeDelimited(writer, 2, (raw) => raw.uint32(tag(1)).bytes(body));
  const frame = writer.finish();
  const length = Buffer.alloc(4);
  length.writeUInt32BE(frame.length);
  return Buffer.concat([length, frame]);
}

/** `runtime.Unknown`: type 1, raw 2; contentEncoding 3 and contentType 4 are empty. */
const ENVELOPE_END = Uint8Array.of(0x1a, 0, 0x22, 0);

function envelope({ apiVersion, kind }: TypeMeta, length: number): Uint8Array[] {
  const writer = createWriter();
  writeDelimited(writer, 1, (typeMeta) => typeMeta.uint32(tag(1)).string(apiVersion).uint32(tag(2)).string(kind));
  writer.uint32(tag(2)).uint32(length);
  return [MAGIC, writer.finish()];
}

function header(number: number, length: number): Uint8Array {
  return createWriter().uint32(tag(number)).uint32(length).finish();
}

function writeMessage(writer: Writer, type: Message, object: JsonObject): void {
  for (const field of type.fields) {
    const value = field.inline ? object : object[field.name];
    if (value === undefined || value === null) continue;
    try {
      writeField(writer, field, value);
    } catch (error) {
      if (!(error instanceof UnfitValue)) throw error;
      throw new ApiError('InternalError', `cannot encode ${type.name}.${field.name}: ${error.message}`);
    }
  }
}

function writeField(writer: Writer, field: Field, value: unknown): void {
  if (field.cardinality === 'map') {
    for (const [key, entry] of Object.entries(value as JsonObject)) writeMapEntry(writer, field, key, entry);
  } else if (field.cardinality === 'repeated') {
    if (!Array.isArray(value)) throw new UnfitValue(`expected a list, actual: ${JSON.stringify(value)}`);
    for (const item of value) writeValue(writer, field, item);
  } else {
    writeValue(writer, field, value);
  }
}

function writeMapEntry(writer: Writer, field: Field, key: string, value: unknown): void {
  writeDelimited(writer, field.number, (entry) => {
    entry.uint32(tag(1)).string(key);
    writeValue(entry, { ...field, number: 2 }, value);
  });
}

function writeValue(writer: Writer, { number, type }: Field, given: unknown): void {
  const value = toUnion(type, given);
  const scalar = scalars[type];
  if (scalar) {
    writer.uint32((number << 3) | scalar.wireType);
    scalar.write(writer, value);
    return;
  }
  if (typeof value !== 'object' || value === null)
    throw new UnfitValue(`expected an object, actual: ${JSON.stringify(value)}`);
  const nested = message(type);
  writeDelimited(writer, number, (content) => {
    if (nested) writeMessage(content, nested, value as JsonObject);
    else writeRaw(content, value as JsonObject);
  });
}

/** `runtime.RawExtension`: a whole protobuf body where the kind has one, JSON otherwise. */
function writeRaw(writer: Writer, object: JsonObject): void {
  const raw = hasProtobuf(object) ? encodeProtobuf(object) : Buffer.from(JSON.stringify(object));
  writer.uint32(tag(1)).bytes(raw);
}

function tag(number: number): number {
  return (number << 3) | LENGTH_DELIMITED;
}
