import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import { startTestServer } from '../testing/server.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

/** Marks what it sees, refuses what is called `bad`, warns of what is called `odd`. */
function observer(seen: string[]): AdmissionPlugin {
  const tell = (phase: string, { operation, resource, subresource, name }: AdmissionAttributes) =>
    seen.push(`${phase} ${operation} ${resource.plural}${subresource && `/${subresource}`} ${name}`);
  return {
    async mutate(attributes) {
      tell('mutate', attributes);
      const object = structuredClone(attributes.object!);
      object.metadata.labels = { ...object.metadata.labels, marked: 'yes' };
      return object;
    },
    async validate(attributes) {
      tell('validate', attributes);
      if (attributes.name === 'odd') attributes.warn?.('that is odd');
      if (attributes.name === 'bad') throw new ApiError('Forbidden', 'no');
    },
  };
}

test('plugins change what is written, and see every operation', async () => {
  const seen: string[] = [];
  const { request } = await startTestServer({ plugins: [observer(seen)] });
  seen.length = 0;
  const created = await request('POST', CONFIG_MAPS, { metadata: { name: 'a' } });
  assert.equal(created.body.metadata.labels.marked, 'yes');
  await request('PUT', `${CONFIG_MAPS}/a`, { metadata: { name: 'a' }, data: { x: '1' } });
  await request('DELETE', `${CONFIG_MAPS}/a`);
  assert.deepEqual(seen, [
    'mutate CREATE configmaps a',
    'validate CREATE configmaps a',
    'mutate UPDATE configmaps a',
    'validate UPDATE configmaps a',
    'validate DELETE configmaps a',
  ]);
});

test('plugins refuse and warn', async () => {
  const { request } = await startTestServer({ plugins: [observer([])] });
  const bad = await request('POST', CONFIG_MAPS, { metadata: { name: 'bad' } });
  assert.deepEqual([bad.status, bad.body.message], [403, 'no']);
  assert.equal((await request('GET', `${CONFIG_MAPS}/bad`)).status, 404);
  const odd = await request('POST', CONFIG_MAPS, { metadata: { name: 'odd' } });
  assert.deepEqual([odd.status, odd.headers['warning']], [201, '299 - "that is odd"']);
});

test('plugins see evictions, bindings and connections to pods', async () => {
  const seen: string[] = [];
  const objects: unknown[] = [];
  const plugin: AdmissionPlugin = {
    async validate({ operation, resource, subresource, object, old }) {
      seen.push(`${operation} ${resource.plural}/${subresource} ${object?.kind ?? old?.kind}`);
      if (operation === 'CONNECT') objects.push(object);
      if (subresource === 'eviction') throw new ApiError('Forbidden', 'it stays');
    },
  };
  const { request, server } = await startTestServer({ plugins: [plugin] });
  const pods = '/api/v1/namespaces/default/pods';
  await request('POST', pods, { metadata: { name: 'a' }, spec: { containers: [{ name: 'c', image: 'x' }] } });
  seen.length = 0;
  assert.equal((await request('POST', `${pods}/a/binding`, { target: { name: 'node-1' } })).status, 201);
  const eviction = await request('POST', `${pods}/a/eviction`, { metadata: { name: 'a' } });
  assert.deepEqual([eviction.status, eviction.body.message], [403, 'it stays']);
  assert.equal((await request('GET', `${pods}/a`)).body.metadata.deletionTimestamp, undefined);
  const query = new URLSearchParams('command=sh&command=-c&stdin=true&container=c');
  await server.admitConnection({ user: { username: 'x', groups: [] }, path: `${pods}/a/exec`, query });
  assert.deepEqual(seen, [
    'CREATE pods/binding Binding',
    'CREATE pods/eviction Eviction',
    'CONNECT pods/exec PodExecOptions',
  ]);
  const options = { kind: 'PodExecOptions', apiVersion: 'v1', metadata: {} };
  assert.deepEqual(objects, [{ ...options, command: ['sh', '-c'], stdin: true, container: 'c' }]);
});
