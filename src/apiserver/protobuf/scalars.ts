import protobuf from 'protobufjs/minimal.js';
import { badRequest } from '../../api/errors.ts';

export type Reader = protobuf.Reader;
export type Writer = protobuf.Writer;

/** Wire types of protobuf's encoding. */
export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;

/** How a type that is not a message of fields stands on the wire and in JSON. */
export interface Scalar {
  readonly wireType: number;
  /** Undefined when the value says "absent". */
  read(reader: Reader): unknown;
  write(writer: Writer, value: unknown): void;
  isZero(value: unknown): boolean;
}

export function createReader(bytes: Uint8Array): Reader {
  return protobuf.Reader.create(bytes);
}

export function createWriter(): Writer {
  return protobuf.Writer.create();
}

/** Thrown by `write` for JSON that does not fit its field; the caller knows which. */
export class UnfitValue extends Error {}

const isZeroNumber = (value: unknown) => value === 0;
const isEmpty = (value: unknown) => value === '';

/** By the type names of the data file. `RawExtension` is not here: it holds whole objects. */
export const scalars: Readonly<Record<string, Scalar>> = {
  string: {
    wireType: LENGTH_DELIMITED,
    read: (reader) => reader.string(),
    write: (writer, value) => void writer.string(expect('string', value)),
    isZero: isEmpty,
  },
  bool: {
    wireType: VARINT,
    read: (reader) => reader.bool(),
    write: (writer, value) => void writer.bool(expect('boolean', value)),
    isZero: (value) => value === false,
  },
  int32: {
    wireType: VARINT,
    read: (reader) => reader.int32(),
    write: (writer, value) => void writer.int32(expect('number', value)),
    isZero: isZeroNumber,
  },
  int64: {
    wireType: VARINT,
    read: (reader) => Number(reader.int64()),
    write: (writer, value) => void writer.int64(expect('number', value)),
    isZero: isZeroNumber,
  },
  double: {
    wireType: FIXED64,
    read: (reader) => reader.double(),
    write: (writer, value) => void writer.double(expect('number', value)),
    isZero: isZeroNumber,
  },
  bytes: {
    wireType: LENGTH_DELIMITED,
    read: (reader) => Buffer.from(reader.bytes()).toString('base64'),
    write: (writer, value) => void writer.bytes(Buffer.from(expect('string', value), 'base64')),
    isZero: isEmpty,
  },
  Time: { wireType: LENGTH_DELIMITED, read: readTime(0), write: writeTime, isZero: isEmpty },
  MicroTime: { wireType: LENGTH_DELIMITED, read: readTime(6), write: writeTime, isZero: isEmpty },
  Quantity: { wireType: LENGTH_DELIMITED, read: readQuantity, write: writeQuantity, isZero: isEmpty },
  IntOrString: {
    wireType: LENGTH_DELIMITED,
    read: readIntOrString,
    write: writeIntOrString,
    isZero: (value) => value === 0 || value === '',
  },
  FieldsV1: { wireType: LENGTH_DELIMITED, read: readFields, write: writeFields, isZero: () => false },
  JSON: { wireType: LENGTH_DELIMITED, read: readFields, write: writeFields, isZero: () => false },
  strings: { wireType: LENGTH_DELIMITED, read: readStrings, write: writeStrings, isZero: () => false },
};

/** Calls back with each field number of a message; the callback reads one value, or returns false to have it skipped. */
export function eachField(reader: Reader, read: (number: number, wireType: number) => boolean): void {
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const wireType = tag & 7;
    if (!read(tag >>> 3, wireType)) reader.skipType(wireType);
  }
}

/** Writes `tag, length, content`. */
export function writeDelimited(writer: Writer, number: number, content: (writer: Writer) => void): void {
  writer.uint32((number << 3) | LENGTH_DELIMITED).fork();
  content(writer);
  writer.ldelim();
}

function expect(type: 'string', value: unknown): string;
function expect(type: 'boolean', value: unknown): boolean;
function expect(type: 'number', value: unknown): number;
function expect(type: string, value: unknown): unknown {
  if (typeof value !== type) throw new UnfitValue(`expected ${type}, actual: ${JSON.stringify(value)}`);
  return value;
}

/** `google.protobuf.Timestamp`: seconds 1, nanos 2. An empty message is the zero time, which JSON writes as null. */
function readTime(digits: number): (reader: Reader) => string | undefined {
  return (reader) => {
    const content = createReader(reader.bytes());
    if (content.len === 0) return undefined;
    let seconds = 0;
    let nanos = 0;
    eachField(content, (number, wireType) => {
      if (wireType !== VARINT || number > 2) return false;
      if (number === 1) seconds = Number(content.int64());
      else nanos = content.int32();
      return true;
    });
    const fraction = digits === 0 ? '' : `.${String(Math.trunc(nanos / 10 ** (9 - digits))).padStart(digits, '0')}`;
    return `${wholeSeconds(seconds)}${fraction}Z`;
  };
}

function wholeSeconds(seconds: number): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw badRequest(`time out of range: ${seconds} seconds`);
  return date.toISOString().slice(0, -5);
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(?:Z|[+-]\d\d:\d\d)$/i;

function writeTime(writer: Writer, value: unknown): void {
  const text = expect('string', value);
  const match = RFC3339.exec(text);
  const epochMs = Date.parse(text);
  if (!match || Number.isNaN(epochMs))
    throw new UnfitValue(`expected an RFC 3339 time, actual: ${JSON.stringify(text)}`);
  writer.fork();
  writer.uint32(8).int64(Math.floor(epochMs / 1000));
  writer.uint32(16).int32(Number((match[1] ?? '').padEnd(9, '0')));
  writer.ldelim();
}

function readQuantity(reader: Reader): string {
  const content = createReader(reader.bytes());
  let text = '0';
  eachField(content, (number, wireType) => {
    if (number !== 1 || wireType !== LENGTH_DELIMITED) return false;
    text = content.string() || '0';
    return true;
  });
  return text;
}

function writeQuantity(writer: Writer, value: unknown): void {
  const text = typeof value === 'number' ? String(value) : expect('string', value);
  writer.fork().uint32(10).string(text).ldelim();
}

/** type 1 (0: integer, 1: string), intVal 2, strVal 3. */
function readIntOrString(reader: Reader): number | string {
  const content = createReader(reader.bytes());
  let isString = false;
  let integer = 0;
  let text = '';
  eachField(content, (number, wireType) => {
    if (number === 1 && wireType === VARINT) isString = Number(content.int64()) === 1;
    else if (number === 2 && wireType === VARINT) integer = content.int32();
    else if (number === 3 && wireType === LENGTH_DELIMITED) text = content.string();
    else return false;
    return true;
  });
  return isString ? text : integer;
}

function writeIntOrString(writer: Writer, value: unknown): void {
  writer.fork();
  if (typeof value === 'string') writer.uint32(8).int64(1).uint32(26).string(value);
  else writer.uint32(8).int64(0).uint32(16).int32(expect('number', value));
  writer.ldelim();
}

/** `meta/v1 FieldsV1` and `apiextensions/v1 JSON`: JSON in bytes. */
function readFields(reader: Reader): unknown {
  const content = createReader(reader.bytes());
  let json = '{}';
  eachField(content, (number, wireType) => {
    if (number !== 1 || wireType !== LENGTH_DELIMITED) return false;
    json = Buffer.from(content.bytes()).toString();
    return true;
  });
  return JSON.parse(json);
}

function writeFields(writer: Writer, value: unknown): void {
  writer
    .fork()
    .uint32(10)
    .bytes(Buffer.from(JSON.stringify(value)))
    .ldelim();
}

/** A message around `repeated string items = 1` whose JSON is the list itself (ExtraValue, Verbs). */
function readStrings(reader: Reader): string[] {
  const content = createReader(reader.bytes());
  const items: string[] = [];
  eachField(content, (number, wireType) => {
    if (number !== 1 || wireType !== LENGTH_DELIMITED) return false;
    items.push(content.string());
    return true;
  });
  return items;
}

function writeStrings(writer: Writer, value: unknown): void {
  if (!Array.isArray(value)) throw new UnfitValue(`expected a list, actual: ${JSON.stringify(value)}`);
  writer.fork();
  for (const item of value) writer.uint32(10).string(expect('string', item));
  writer.ldelim();
}
