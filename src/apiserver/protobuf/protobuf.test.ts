import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { registry } from '../../api/registry.ts';
import { decodeProtobuf, type JsonObject } from './decode.ts';
import { encodeListOf, encodeMessage, encodeProtobuf, frameWatchEvent, hasProtobuf } from './encode.ts';
import { type Field, message, messageOfKind, protobufKinds } from './messages.ts';
import { createReader, scalars } from './scalars.ts';

const SCALARS: Record<string, fc.Arbitrary<unknown>> = {
  string: fc.string({ unit: 'grapheme' }),
  bool: fc.boolean(),
  int32: fc.integer(),
  int64: fc.maxSafeInteger(),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value || 0),
  bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
  Time: fc
    .integer({ min: -62e9, max: 250e9 })
    .map((seconds) => `${new Date(seconds * 1000).toISOString().slice(0, -5)}Z`),
  MicroTime: fc
    .tuple(fc.integer({ min: 0, max: 4e9 }), fc.integer({ min: 0, max: 999_999 }))
    .map(([s, micros]) => `${new Date(s * 1000).toISOString().slice(0, -5)}.${String(micros).padStart(6, '0')}Z`),
  Quantity: fc.constantFrom('0', '100m', '1Gi', '2'),
  IntOrString: fc.oneof(fc.integer(), fc.string()),
  FieldsV1: fc.constant({ 'f:metadata': { 'f:labels': {} } }),
  strings: fc.array(fc.string()),
  RawExtension: fc.constantFrom(
    { kind: 'Widget', apiVersion: 'example.com/v1', size: 3 },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } },
  ),
};

/** Objects of a message in canonical JSON: no zero value that JSON leaves out, no empty list or map. */
function objects(name: string, depth: number): fc.Arbitrary<JsonObject> {
  const { fields = [] } = message(name) ?? {};
  const usable = fields.filter(({ inline, type }) => !inline && (depth > 0 || !message(type)));
  const own = fc.record(Object.fromEntries(usable.map((field) => [field.name, values(field, depth)])), {
    requiredKeys: [],
  }) as fc.Arbitrary<JsonObject>;
  const inline = fields.filter((field) => field.inline).map((field) => objects(field.type, depth - 1));
  return depth < 0 ? fc.constant({}) : fc.tuple(own, ...inline).map((parts) => Object.assign({}, ...parts));
}

function values(field: Field, depth: number): fc.Arbitrary<unknown> {
  const one = SCALARS[field.type] ?? objects(field.type, depth - 1);
  if (field.cardinality === 'repeated') return fc.array(one, { minLength: 1, maxLength: 2 });
  if (field.cardinality === 'map')
    return fc.dictionary(fc.string(), one, { minKeys: 1, maxKeys: 2, noNullPrototype: true });
  return field.zero ? one : one.filter((value) => !scalars[field.type]?.isZero(value));
}

for (const key of protobufKinds()) {
  test(`encodeProtobuf, decodeProtobuf: any ${key} survives the round trip`, () => {
    const slash = key.lastIndexOf('/');
    const type = { apiVersion: key.slice(0, slash), kind: key.slice(slash + 1) };
    const name = messageOfKind(type.apiVersion, type.kind)?.name ?? '';
    fc.assert(
      fc.property(objects(name, 4), (fields) => {
        const object = { ...type, ...fields };
        assert.deepEqual(decodeProtobuf(encodeProtobuf(object)), { ...type, object });
      }),
      { numRuns: 15 },
    );
  });
}

test('messageOfKind: every served kind and its list is there', () => {
  for (const { group, version, kind } of registry) {
    const apiVersion = group === '' ? version : `${group}/${version}`;
    assert.ok(messageOfKind(apiVersion, kind), `${kind}: run scripts/generate-protobuf.ts`);
    assert.ok(messageOfKind(apiVersion, `${kind}List`), kind);
  }
});

test('messageOfKind: DeleteOptions belongs to every group, prototypes to none', () => {
  assert.equal(messageOfKind('apps/v1', 'DeleteOptions')?.name, 'meta/v1.DeleteOptions');
  assert.equal(messageOfKind('v1', 'constructor'), undefined);
  assert.equal(message('constructor'), undefined);
});

test('message: every type in the data is known', () => {
  const seen = new Set<string>();
  const queue = protobufKinds().map((key) => messageOfKind(...(splitLast(key) as [string, string]))?.name ?? '');
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const { type } of message(name)?.fields ?? []) {
      assert.ok(message(type) || scalars[type] || type === 'RawExtension', `${name}: ${type}`);
      if (message(type)) queue.push(type);
    }
  }
  assert.ok(seen.size > 100);
});

function splitLast(key: string): string[] {
  const slash = key.lastIndexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}

/** What Go writes: fields that are not pointers are always there, zero or not. */
const AS_GO_WRITES: [string, number[], JsonObject][] = [
  // metadata{name:"a", generateName:"", namespace:"", creationTimestamp: zero}
  [
    'empty strings and zero times are left out',
    [0x0a, 0x09, 0x0a, 0x01, 0x61, 0x12, 0, 0x1a, 0, 0x42, 0],
    { metadata: { name: 'a' } },
  ],
  // immutable: false is a pointer
  ['a pointer to a zero value stays', [0x20, 0], { immutable: false }],
  ['unknown fields are skipped', [0xf8, 0x07, 0x05, 0x20, 0x01], { immutable: true }],
  ['a field of another wire type is skipped', [0x22, 0x01, 0x00, 0x20, 0x01], { immutable: true }],
];

for (const [name, bytes, fields] of AS_GO_WRITES) {
  test(`decodeProtobuf: ${name}`, () => {
    assert.deepEqual(decodeProtobuf(envelope('v1', 'ConfigMap', bytes)).object, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      ...fields,
    });
  });
}

function envelope(apiVersion: string, kind: string, raw: number[]): Buffer {
  const text = (tag: number, value: string) => [tag, value.length, ...Buffer.from(value)];
  const typeMeta = [...text(0x0a, apiVersion), ...text(0x12, kind)];
  return Buffer.from([...Buffer.from('k8s\0'), 0x0a, typeMeta.length, ...typeMeta, 0x12, raw.length, ...raw]);
}

test('decodeProtobuf: a map key named __proto__ is a key like any other', () => {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', data: JSON.parse('{"__proto__":"x"}') as JsonObject };
  const { data } = decodeProtobuf(encodeProtobuf(object)).object as { data: object };
  assert.deepEqual(Object.keys(data), ['__proto__']);
  assert.equal(Object.getPrototypeOf(data), Object.prototype);
});

const HOSTILE: [string, Buffer, RegExp][] = [
  ['empty', Buffer.alloc(0), /does not appear to be a protobuf message/],
  ['JSON', Buffer.from('{"kind":"Pod"}'), /does not appear to be a protobuf message/],
  [
    'a kind that is not served',
    envelope('example.com/v1', 'Widget', []),
    /no kind "Widget" is registered for version "example.com\/v1"/,
  ],
  ['a length beyond the end', envelope('v1', 'Pod', [0x0a, 0x7f, 1]), /malformed protobuf/],
  ['an endless varint', envelope('v1', 'ConfigMap', [0x20, ...Array<number>(12).fill(0xff)]), /malformed protobuf/],
  ['a group without end', envelope('v1', 'Pod', [0x0b, 0x0b, 0x0b]), /malformed protobuf/],
  [
    'a time out of range',
    envelope('v1', 'Pod', [0x0a, 0x0a, 0x42, 0x08, 0x08, ...Array<number>(6).fill(0xff), 0x7f]),
    /time out of range|malformed/,
  ],
];

for (const [name, body, message] of HOSTILE) {
  test(`decodeProtobuf: ${name} is a bad request`, () => {
    assert.throws(() => decodeProtobuf(body), { name: 'ApiError', code: 400, message });
  });
}

test('decodeProtobuf: lists in lists end at a depth', () => {
  let object: JsonObject = { apiVersion: 'v1', kind: 'List', items: [] };
  for (let i = 0; i < 100; i++) object = { apiVersion: 'v1', kind: 'List', items: [object] };
  assert.throws(() => decodeProtobuf(encodeProtobuf(object)), { code: 400, message: /deeper than 64/ });
});

test('decodeProtobuf: no bytes crash it', () => {
  const pod = encodeProtobuf({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'a',
      labels: { a: 'b' },
      creationTimestamp: '2026-01-01T00:00:00Z',
      managedFields: [{ fieldsV1: {} }],
    },
    spec: {
      containers: [{ name: 'c', resources: { limits: { cpu: '1' } }, livenessProbe: { httpGet: { port: 'http' } } }],
    },
  });
  const survives = (body: Uint8Array) => {
    try {
      decodeProtobuf(body);
    } catch (error) {
      assert.equal((error as { code?: number }).code, 400, String(error));
    }
  };
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(pod.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }), (edits) => {
      const broken = Buffer.from(pod);
      for (const [at, value] of edits) broken[at] = value;
      survives(broken);
      survives(broken.subarray(0, edits[0]![0]));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => survives(envelope('v1', 'Pod', [...bytes]))),
    { numRuns: 500 },
  );
});

test('encodeProtobuf: a value that does not fit its field is named', () => {
  const object = { apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 'eighty' }] } };
  assert.throws(() => encodeProtobuf(object), {
    code: 500,
    message: 'cannot encode core/v1.ServicePort.port: expected number, actual: "eighty"',
  });
});

test('encodeProtobuf: kinds without protobuf are not acceptable, null is absent', () => {
  assert.equal(hasProtobuf({ apiVersion: 'meta.k8s.io/v1', kind: 'Table' }), false);
  assert.throws(() => encodeProtobuf({ apiVersion: 'meta.k8s.io/v1', kind: 'Table' }), { code: 406 });
  const { object } = decodeProtobuf(
    encodeProtobuf({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', labels: null } }),
  );
  assert.deepEqual(object['metadata'], { name: 'a' });
});

test('frameWatchEvent: length, type, and the object as a body of its own', () => {
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } };
  const frame = frameWatchEvent('ADDED', encodeProtobuf(object));
  assert.equal(frame.readUInt32BE(0), frame.length - 4);
  const reader = createReader(frame.subarray(4));
  assert.equal(reader.uint32(), 0x0a);
  assert.equal(reader.string(), 'ADDED');
  assert.equal(reader.uint32(), 0x12);
  const raw = createReader(reader.bytes());
  assert.equal(raw.uint32(), 0x0a);
  assert.deepEqual(decodeProtobuf(raw.bytes()).object, object);
});

test('encodeListOf: a list of items that were encoded before is the list encoded at once', () => {
  const items = ['a', 'b'].map((name) => ({ metadata: { name }, data: { x: name.repeat(200) } }));
  const metadata = { resourceVersion: '7', continue: 'x', remainingItemCount: 3 };
  const type = { apiVersion: 'v1', kind: 'ConfigMapList' };
  const messages = items.map((item) => encodeMessage({ apiVersion: 'v1', kind: 'ConfigMap', ...item }));
  assert.deepEqual(encodeListOf(type, metadata, messages), encodeProtobuf({ ...type, metadata, items }));
});
