import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { validateCustomResource } from './custom-value.ts';
import { setSchemaDefaults } from './defaults.ts';
import { pruneUnknown } from './prune.ts';
import type { JsonSchema } from './schema.ts';
import { validateStructural } from './structural.ts';

/** `x` of each row is judged by its schema, at `spec.x`. */
function errorsOf(x: unknown, schema: JsonSchema, old?: unknown): string[] {
  const spec = (property: JsonSchema): JsonSchema => ({ type: 'object', properties: { x: property } });
  const root = { type: 'object', properties: { spec: spec(schema) } };
  const object = (value: unknown) => ({ apiVersion: 'a/v1', kind: 'A', metadata: { name: 'a' }, spec: { x: value } });
  const before = old === undefined ? undefined : object(old);
  return validateCustomResource(object(x), root, before).map(({ field, message }) => `${field}: ${message}`);
}

const anyOf: JsonSchema = { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' } } };

const rows: [name: string, value: unknown, schema: JsonSchema, errors: string[]][] = [
  [
    'string',
    1,
    { type: 'string' },
    ['spec.x: Invalid value: "integer": spec.x in body must be of type string: "integer"'],
  ],
  [
    'integer',
    1.5,
    { type: 'integer' },
    ['spec.x: Invalid value: "number": spec.x in body must be of type integer: "number"'],
  ],
  ['number of a whole', 1, { type: 'number' }, []],
  ['null', null, { type: 'string' }, ['spec.x: Invalid value: "null": spec.x in body must be of type string: "null"']],
  ['nullable', null, { type: 'string', nullable: true }, []],
  [
    'int or string',
    true,
    { 'x-kubernetes-int-or-string': true },
    ['spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"'],
  ],
  ['int or string fine', '80%', { 'x-kubernetes-int-or-string': true }, []],
  [
    'minLength',
    'a',
    { type: 'string', minLength: 2 },
    ['spec.x: Invalid value: "a": spec.x in body should be at least 2 chars long'],
  ],
  ['maxLength', 'abc', { type: 'string', maxLength: 2 }, ['spec.x: Too long: may not be more than 2 bytes']],
  ['maxLength counts characters', 'äö', { type: 'string', maxLength: 2 }, []],
  [
    'pattern',
    'A',
    { type: 'string', pattern: '^[a-z]+$' },
    [`spec.x: Invalid value: "A": spec.x in body should match '^[a-z]+$'`],
  ],
  ['pattern of Go', 'ab', { type: 'string', pattern: '(?i)^AB$' }, []],
  [
    'format',
    'x',
    { type: 'string', format: 'date-time' },
    ['spec.x: Invalid value: "x": spec.x in body must be of type date-time: "x"'],
  ],
  ['format ipv4', '10.0.0.1', { type: 'string', format: 'ipv4' }, []],
  [
    'format ipv6',
    '10.0.0.1',
    { type: 'string', format: 'ipv6' },
    ['spec.x: Invalid value: "10.0.0.1": spec.x in body must be of type ipv6: "10.0.0.1"'],
  ],
  ['unknown format', 'x', { type: 'string', format: 'colour' }, []],
  [
    'minimum',
    0,
    { type: 'integer', minimum: 1 },
    ['spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1'],
  ],
  [
    'exclusiveMinimum',
    1,
    { type: 'integer', minimum: 1, exclusiveMinimum: true },
    ['spec.x: Invalid value: 1: spec.x in body should be greater than 1'],
  ],
  [
    'exclusiveMaximum',
    9,
    { type: 'integer', maximum: 9, exclusiveMaximum: true },
    ['spec.x: Invalid value: 9: spec.x in body should be less than 9'],
  ],
  [
    'multipleOf',
    7,
    { type: 'integer', multipleOf: 5 },
    ['spec.x: Invalid value: 7: spec.x in body should be a multiple of 5'],
  ],
  [
    'int32',
    2 ** 31,
    { type: 'integer', format: 'int32' },
    ['spec.x: Invalid value: 2147483648: Checked value must be of type integer with format int32 in spec.x'],
  ],
  ['enum', 'c', { type: 'string', enum: ['a', 'b'] }, ['spec.x: Unsupported value: "c": supported values: "a", "b"']],
  [
    'minItems',
    [],
    { type: 'array', items: { type: 'string' }, minItems: 1 },
    ['spec.x: Invalid value: 0: spec.x in body should have at least 1 items'],
  ],
  [
    'maxItems',
    [1, 2],
    { type: 'array', items: { type: 'integer' }, maxItems: 1 },
    ['spec.x: Too many: 2: must have at most 1 items'],
  ],
  [
    'items',
    [1, 'a'],
    { type: 'array', items: { type: 'integer' } },
    ['spec.x[1]: Invalid value: "string": spec.x[1] in body must be of type integer: "string"'],
  ],
  [
    'set',
    ['a', 'a'],
    { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
    ['spec.x[1]: Duplicate value: "a"'],
  ],
  ['required', {}, { type: 'object', required: ['a'] }, ['spec.x.a: Required value']],
  [
    'maxProperties',
    { a: 1, b: 2 },
    { type: 'object', additionalProperties: { type: 'integer' }, maxProperties: 1 },
    ['spec.x: Too many: 2: must have at most 1 items'],
  ],
  [
    'additionalProperties',
    { a: 'b' },
    { type: 'object', additionalProperties: { type: 'integer' } },
    ['spec.x.a: Invalid value: "string": spec.x.a in body must be of type integer: "string"'],
  ],
  [
    'embedded resource',
    { kind: 'Pod' },
    { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
    ['spec.x.apiVersion: Required value: must not be empty'],
  ],
  [
    'oneOf none',
    {},
    { ...anyOf, oneOf: [{ required: ['a'] }, { required: ['b'] }] },
    [
      '<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid',
      'spec.x.a: Required value',
    ],
  ],
  [
    'oneOf two',
    { a: 1, b: 1 },
    { ...anyOf, oneOf: [{ required: ['a'] }, { required: ['b'] }] },
    ['<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
  ],
  [
    'anyOf',
    {},
    { ...anyOf, anyOf: [{ required: ['a'] }] },
    ['<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)', 'spec.x.a: Required value'],
  ],
  [
    'not',
    { a: 1 },
    { ...anyOf, not: { required: ['a'] } },
    ['<nil>: Invalid value: "": "spec.x" must not validate the schema (not)'],
  ],
  [
    'rule',
    3,
    { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self < 3' }] },
    ['spec.x: Invalid value: "integer": failed rule: self < 3'],
  ],
  [
    'rule with a message of its own making',
    3,
    {
      type: 'integer',
      'x-kubernetes-validations': [
        { rule: 'self < 3', messageExpression: '"not " + string(self)', reason: 'FieldValueForbidden' },
      ],
    },
    ['spec.x: Forbidden: not 3'],
  ],
  [
    'rule about a name that is no identifier',
    { 'a-b': 1, namespace: 2 },
    {
      type: 'object',
      properties: { 'a-b': { type: 'integer' }, namespace: { type: 'integer' } },
      'x-kubernetes-validations': [{ rule: 'self.a__dash__b + self.__namespace__ == 4' }],
    },
    ['spec.x: Invalid value: "object": failed rule: self.a__dash__b + self.__namespace__ == 4'],
  ],
  [
    'rule about times',
    '2026-01-01T00:00:00Z',
    {
      type: 'string',
      format: 'date-time',
      'x-kubernetes-validations': [{ rule: 'self > timestamp("2027-01-01T00:00:00Z")' }],
    },
    ['spec.x: Invalid value: "string": failed rule: self > timestamp("2027-01-01T00:00:00Z")'],
  ],
];

describe('a value and its schema', () => {
  for (const [name, value, schema, errors] of rows) {
    test(name, () => assert.deepEqual(errorsOf(value, schema), errors));
  }

  test('rules wait until the value has its form', () => {
    const schema: JsonSchema = { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self < 3' }] };
    assert.deepEqual(errorsOf('a', schema), [
      'spec.x: Invalid value: "string": spec.x in body must be of type integer: "string"',
      '<nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
    ]);
  });

  test('a rule that would take too long is not begun', () => {
    const items: JsonSchema = { type: 'integer' };
    const rule = 'self.all(a, self.all(b, self.all(c, a + b + c >= 0)))';
    const schema: JsonSchema = { type: 'array', items, 'x-kubernetes-validations': [{ rule }] };
    assert.deepEqual(errorsOf(Array(20).fill(1), schema), []);
    assert.deepEqual(errorsOf(Array(2000).fill(1), schema), [
      'spec.x: Invalid value: "array": validation failed due to running out of cost budget, no further validation rules will be run',
    ]);
  });

  test('what has not changed is not judged again, item by item of a list map', () => {
    const schema: JsonSchema = {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['n'],
      items: { type: 'object', properties: { n: { type: 'string' }, v: { type: 'integer', maximum: 1 } } },
    };
    const old = [{ n: 'a', v: 5 }];
    assert.deepEqual(
      errorsOf(
        [
          { n: 'b', v: 0 },
          { n: 'a', v: 5 },
        ],
        schema,
        old,
      ),
      [],
    );
    assert.equal(errorsOf([{ n: 'a', v: 6 }], schema, old).length, 1);
  });
});

describe('pruning and defaults', () => {
  const schema: JsonSchema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        default: {},
        properties: {
          a: { type: 'integer', default: 1 },
          free: {
            type: 'object',
            'x-kubernetes-preserve-unknown-fields': true,
            properties: { in: { type: 'object' } },
          },
          map: { type: 'object', additionalProperties: { type: 'object', properties: { k: { type: 'string' } } } },
          pod: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
        },
      },
    },
  };

  test('unknown fields go, wherever they stand', () => {
    const object = {
      kind: 'A',
      metadata: { name: 'a' },
      other: 1,
      spec: {
        b: 1,
        free: { kept: 1, in: { gone: 1 } },
        map: { one: { k: 'v', gone: 1 } },
        pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, data: 1 },
        __proto__hidden: 1,
      },
    };
    assert.deepEqual(pruneUnknown(object, schema), [
      'other',
      'spec.b',
      'spec.free.in.gone',
      'spec.map.one.gone',
      'spec.pod.data',
      'spec.__proto__hidden',
    ]);
    assert.deepEqual(object.spec.free, { kept: 1, in: {} });
    assert.deepEqual(object.spec.pod, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } });
  });

  test('defaults fill what is missing or null, also inside of defaults', () => {
    const object: Record<string, unknown> = { metadata: { name: 'a' } };
    setSchemaDefaults(object, schema);
    assert.deepEqual(object['spec'], { a: 1 });
    const nulls = { spec: { a: null, map: null } };
    setSchemaDefaults(nulls, schema);
    assert.deepEqual(nulls.spec, { a: 1 });
  });
});

const structural: [string, JsonSchema | object, string][] = [
  ['root type', {}, 'schema.type: Required value: must not be empty at the root'],
  ['root object', { type: 'string' }, 'schema.type: Invalid value: "string": must be object at the root'],
  [
    'type of a field',
    { type: 'object', properties: { a: {} } },
    'schema.properties[a].type: Required value: must not be empty for specified object fields',
  ],
  [
    'type of items',
    { type: 'object', properties: { a: { type: 'array', items: {} } } },
    'schema.properties[a].items.type: Required value: must not be empty for specified array items',
  ],
  [
    'metadata',
    { type: 'object', properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } } },
    'schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified',
  ],
  [
    'both kinds of properties',
    {
      type: 'object',
      properties: {
        a: { type: 'object', properties: { b: { type: 'string' } }, additionalProperties: { type: 'string' } },
      },
    },
    'schema.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive',
  ],
  [
    'reference',
    { type: 'object', properties: { a: { type: 'object', $ref: '#/b' } } },
    'schema.properties[a].$ref: Forbidden: $ref is not supported',
  ],
  [
    'unique items',
    { type: 'object', properties: { a: { type: 'array', uniqueItems: true, items: { type: 'string' } } } },
    'schema.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
  ],
  [
    'wrong default',
    { type: 'object', properties: { a: { type: 'string', default: 1 } } },
    'schema.properties[a].default: Invalid value: "integer": schema.properties[a].default in body must be of type string: "integer"',
  ],
  [
    'type in anyOf',
    { type: 'object', properties: { a: { type: 'string', anyOf: [{ type: 'string' }] } } },
    'schema.properties[a].anyOf[0].type: Forbidden: must be empty to be structural',
  ],
  [
    'property in anyOf alone',
    { type: 'object', anyOf: [{ properties: { b: {} } }] },
    'schema.properties[b]: Required value: because it is defined in schema.anyOf[0].properties[b]',
  ],
  [
    'keys of a list map',
    {
      type: 'object',
      properties: {
        a: {
          type: 'array',
          items: { type: 'object', properties: { n: { type: 'string' } } },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['n'],
        },
      },
    },
    'schema.properties[a].items.properties[n].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
  ],
  [
    'pattern',
    { type: 'object', properties: { a: { type: 'string', pattern: '[' } } },
    `schema.properties[a].pattern: Invalid value: "[": must be a valid regular expression, but isn't: error parsing regexp`,
  ],
];

describe('a structural schema', () => {
  for (const [name, schema, expected] of structural) {
    test(`is refused for its ${name}`, () => {
      const texts = validateStructural(schema as JsonSchema, 'schema').map(
        ({ field, message }) => `${field}: ${message}`,
      );
      assert.ok(texts.includes(expected), texts.join('\n'));
    });
  }

  test('may say of an int-or-string what it may be', () => {
    const a = { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] };
    assert.deepEqual(validateStructural({ type: 'object', properties: { a } }, 'schema'), []);
  });

  test('is refused for a rule that can not be compiled', () => {
    const schema: JsonSchema = { type: 'object', 'x-kubernetes-validations': [{ rule: 'self.a.b(' }] };
    const [error] = validateStructural(schema, 'schema');
    assert.equal(error!.field, 'schema.x-kubernetes-validations[0].rule');
    assert.match(error!.message, /compilation failed: ERROR: <input>:1:7/);
  });
});
