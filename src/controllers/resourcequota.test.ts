import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps } from '../api/kinds/configmap.ts';
import { resourceQuotas } from '../api/kinds/resourcequota.ts';
import { startTestCluster } from '../testing/cluster.ts';

test('status.used follows what the namespace holds', async () => {
  const { client, eventually, stop } = await startTestCluster();
  const key = { name: 'q', namespace: 'default' };
  const count = async () => (await client.get(resourceQuotas, key)).status?.used?.['count/configmaps'];
  const is = (wanted: string) => async () => ((await count()) === wanted ? true : undefined);
  await client.create(configMaps, { metadata: { name: 'a', namespace: 'default' } });
  const before = (await client.list(configMaps, { namespace: 'default' })).items.length;
  await client.create(resourceQuotas, { metadata: key, spec: { hard: { 'count/configmaps': '10', pods: '5' } } });
  assert.ok(await eventually(async () => (Number(await count()) >= before ? true : undefined)));
  const now = Number(await count());
  await client.create(configMaps, { metadata: { name: 'b', namespace: 'default' } });
  assert.ok(await eventually(is(String(now + 1))));
  await client.delete(configMaps, { name: 'b', namespace: 'default' });
  assert.ok(await eventually(is(String(now))));
  assert.deepEqual((await client.get(resourceQuotas, key)).status?.hard, { 'count/configmaps': '10', pods: '5' });
  stop();
});
