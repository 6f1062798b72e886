import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startTestServer } from '../../testing/server.ts';
import { cronTabs } from './crontab.fixture.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const CRONTABS = '/apis/stable.example.com/v1/namespaces/default/crontabs';
const RUNS = 150;

/** Any JSON, with the names that objects of JavaScript have from birth. */
const hostileJson = fc
  .jsonValue({ maxDepth: 4 })
  .chain((value) =>
    fc
      .constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'free', 'steps', 'port')
      .map((key) => `{${JSON.stringify(key)}:${JSON.stringify(value)},"cronSpec":"* * * * *"}`),
  );

test('custom resources of any content are kept as they are shown, or refused', async () => {
  const { request } = await startTestServer();
  await request('POST', DEFINITIONS, cronTabs);
  let made = 0;
  await fc.assert(
    fc.asyncProperty(hostileJson, async (spec) => {
      const name = `tab-${made++}`;
      const body = `{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"${name}"},"spec":${spec}}`;
      const answer = await request('POST', CRONTABS, body);
      assert.ok(answer.status < 500, `${answer.status}: ${body}`);
      if (answer.status !== 201) return;
      const read = await request('GET', `${CRONTABS}/${name}`);
      assert.deepEqual(read.body.spec, answer.body.spec);
      assert.equal(Object.getPrototypeOf(read.body.spec), Object.prototype);
      const again = await request('PUT', `${CRONTABS}/${name}`, read.body);
      assert.equal(again.body.metadata.generation, 1, JSON.stringify(again.body));
    }),
    { numRuns: RUNS },
  );
  assert.equal(({} as Record<string, unknown>)['cronSpec'], undefined);
});

const DEPTH = { maxDepth: 2, depthIdentifier: 'schema' };

/** Schemas that nobody should write. */
const hostileSchema = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.record(
    {
      type: fc.constantFrom('object', 'array', 'string', 'integer', 'boolean', 'number', 'nothing', 7 as never),
      items: fc.oneof(DEPTH, fc.jsonValue({ maxDepth: 1 }), tie('schema')),
      properties: fc.oneof(
        DEPTH,
        fc.jsonValue({ maxDepth: 1 }),
        fc.dictionary(fc.constantFrom('a', '__proto__', 'metadata', 'spec'), tie('schema')),
      ),
      additionalProperties: fc.oneof(DEPTH, fc.boolean(), tie('schema')),
      anyOf: fc.array(fc.constant({ required: ['a'] }), { maxLength: 2 }),
      default: fc.jsonValue({ maxDepth: 2 }),
      enum: fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 2 }),
      pattern: fc.constantFrom('[', '(a+)+$', '^x$', '\\'),
      minimum: fc.double(),
      'x-kubernetes-list-type': fc.constantFrom('set', 'map', 'atomic', 'other'),
      'x-kubernetes-list-map-keys': fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 }),
      'x-kubernetes-validations': fc.array(
        fc.record({ rule: fc.constantFrom('self.a', 'true', '(((', 'self == oldSelf') }),
      ),
      'x-kubernetes-preserve-unknown-fields': fc.boolean(),
      'x-kubernetes-int-or-string': fc.boolean(),
    },
    { requiredKeys: [] },
  ),
}));

test('definitions of any schema are established, or refused', async () => {
  const { request } = await startTestServer();
  let made = 0;
  await fc.assert(
    fc.asyncProperty(hostileSchema.schema, hostileJson, async (inner, spec) => {
      const plural = `things${made++}`;
      const schema = { openAPIV3Schema: { type: 'object', properties: { spec: inner } } };
      const versions = [{ name: 'v1', served: true, storage: true, schema }];
      const names = { plural, kind: `Thing${made}` };
      const body = {
        metadata: { name: `${plural}.a.example` },
        spec: { group: 'a.example', scope: 'Cluster', names, versions },
      };
      const answer = await request('POST', DEFINITIONS, body);
      assert.ok(answer.status < 500, `${answer.status}: ${JSON.stringify(body)}`);
      if (answer.status !== 201) return;
      const at = `/apis/a.example/v1/${plural}`;
      const object = await request('POST', at, `{"metadata":{"name":"x"},"spec":${spec}}`);
      assert.ok(object.status < 500, `${object.status}: ${JSON.stringify(schema)} ${spec}`);
      assert.equal((await request('GET', at)).status, 200);
    }),
    { numRuns: RUNS },
  );
});
