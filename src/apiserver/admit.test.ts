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
