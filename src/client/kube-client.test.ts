import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError, isGone, isNotFound } from '../api/errors.ts';
import { configMaps } from '../api/kinds/configmap.ts';
import { pods } from '../api/kinds/pod.ts';
import { createClient } from './kube-client.ts';
import type { Transport, TransportRequest } from './transport.ts';

/** A server that answers everything with the same chunks, and remembers what it was asked. */
function answering(status: number, chunks: readonly (string | Uint8Array)[]) {
  const asked: TransportRequest[] = [];
  const transport: Transport = async (request) => {
    asked.push(request);
    const body = (async function* () {
      for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    })();
    return { status, headers: {}, body };
  };
  return { client: createClient(transport), asked };
}

async function eventsOf(chunks: readonly (string | Uint8Array)[]): Promise<string[]> {
  const { client } = answering(200, chunks);
  const seen: string[] = [];
  for await (const { type, object } of client.watch(configMaps, {}, new AbortController().signal)) {
    seen.push(`${type} ${object.metadata.name}`);
  }
  return seen;
}

const event = (type: string, name: string) => `${JSON.stringify({ type, object: { metadata: { name } } })}\n`;

test('watch() reads events however they are cut', async () => {
  const bytes = Buffer.from(event('ADDED', 'ä') + event('MODIFIED', '舢板') + event('DELETED', 'c'));
  for (const size of [1, 2, 3, 7, 1000]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    assert.deepEqual(await eventsOf(chunks), ['ADDED ä', 'MODIFIED 舢板', 'DELETED c'], `chunks of ${size}`);
  }
});

test('watch() throws what the server says on the way', async () => {
  const status = new ApiError('Expired', 'too old resource version').toStatus();
  const line = `${JSON.stringify({ type: 'ERROR', object: status })}\n`;
  await assert.rejects(eventsOf([event('ADDED', 'a'), line]), isGone);
});

test('watch() refuses an event that never ends', async () => {
  await assert.rejects(eventsOf(['{'.padEnd(9 * 1024 * 1024)]), /longer than any object/);
});

test('requests go to the path of their kind', async () => {
  const { client, asked } = answering(200, ['{}']);
  const key = { name: 'a', namespace: 'n' };
  await client.get(pods, key);
  await client.list(pods, { namespace: 'n', labelSelector: 'a=b,c', limit: 5 });
  await client.patch(pods, key, { type: 'merge', body: {}, subresource: 'status' });
  await client.delete(pods, key, { gracePeriodSeconds: 0 });
  await client.createSubresource(pods, key, 'binding', {});
  assert.deepEqual(
    asked.map(({ method, path }) => `${method} ${path}`),
    [
      'GET /api/v1/namespaces/n/pods/a',
      'GET /api/v1/namespaces/n/pods?labelSelector=a%3Db%2Cc&limit=5',
      'PATCH /api/v1/namespaces/n/pods/a/status',
      'DELETE /api/v1/namespaces/n/pods/a',
      'POST /api/v1/namespaces/n/pods/a/binding',
    ],
  );
  assert.equal(asked[2]!.headers?.['content-type'], 'application/merge-patch+json');
  assert.equal(JSON.parse(asked[3]!.body!).gracePeriodSeconds, 0);
});

test('list() says of each item what it is, also when the server does not', async () => {
  const { client } = answering(200, [JSON.stringify({ kind: 'PodList', metadata: {}, items: [{ metadata: {} }] })]);
  const { items } = await client.list(pods);
  assert.deepEqual([items[0]!.apiVersion, items[0]!.kind], ['v1', 'Pod']);
  assert.deepEqual((await answering(200, ['{"items":null}']).client.list(pods)).items, []);
});

test('failures are ApiErrors', async () => {
  const key = { name: 'a', namespace: 'n' };
  const status = JSON.stringify(new ApiError('NotFound', 'pods "a" not found').toStatus());
  await assert.rejects(answering(404, [status]).client.get(pods, key), isNotFound);
  const proxy = await answering(502, ['<html>'])
    .client.get(pods, key)
    .catch((error: ApiError) => error);
  assert.ok(proxy instanceof ApiError);
  assert.deepEqual([proxy.code, proxy.message], [502, '<html>']);
  const unreachable = createClient(() => Promise.reject(new Error('connect ECONNREFUSED')));
  const refused = await unreachable.get(pods, key).catch((error: ApiError) => error);
  assert.ok(refused instanceof ApiError);
  assert.equal(refused.reason, 'ServiceUnavailable');
});
