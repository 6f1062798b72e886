import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronTabs } from '../crd/crontab.fixture.ts';
import { decodeProtobuf } from './decode.ts';
import { encodeProtobuf } from './encode.ts';

test('a definition goes through protobuf and comes back', () => {
  assert.deepEqual(decodeProtobuf(encodeProtobuf(cronTabs)).object, cronTabs);
});

test('what a schema may be instead of a schema goes through too', () => {
  const properties = {
    open: { type: 'object', additionalProperties: true },
    closed: { type: 'object', additionalProperties: false },
    map: { type: 'object', additionalProperties: { type: 'string' } },
    list: { type: 'array', items: { type: 'string', enum: ['a', 1, null, { b: [] }] } },
    lists: { type: 'array', items: [{ type: 'string' }, { type: 'integer' }] },
    extended: { 'x-kubernetes-int-or-string': true, 'x-kubernetes-map-type': 'atomic', $ref: '#/a', default: [1] },
    dependent: { dependencies: { a: ['b'], c: { type: 'string' } } },
  };
  const versions = [{ name: 'v1', schema: { openAPIV3Schema: { type: 'object', properties } } }];
  const definition = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', spec: { versions } };
  const { object } = decodeProtobuf(encodeProtobuf(definition));
  const [version] = (object['spec'] as { versions: typeof versions }).versions;
  assert.deepEqual(version!.schema, versions[0]!.schema);
});
