import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestCluster } from '../testing/cluster.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const boats = {
  metadata: { name: 'boats.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'boats', kind: 'Boat' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

test('custom resources own, are owned, and go with their namespace', async () => {
  const { request, eventually, stop } = await startTestCluster();
  try {
    await request('POST', DEFINITIONS, boats);
    await request('POST', '/api/v1/namespaces', { metadata: { name: 'port' } });
    const path = '/apis/example.com/v1/namespaces/port/boats';
    const boat = (await request('POST', path, { metadata: { name: 'one' } })).body;
    const ownerReferences = [{ apiVersion: 'example.com/v1', kind: 'Boat', name: 'one', uid: boat.metadata.uid }];
    await request('POST', '/api/v1/namespaces/port/configmaps', { metadata: { name: 'owned', ownerReferences } });
    await request('POST', path, { metadata: { name: 'two', ownerReferences } });
    await request('POST', path, { metadata: { name: 'three' } });
    await request('DELETE', `${path}/one`);
    const gone = async (at: string) => ((await request('GET', at)).status === 404 ? true : undefined);
    assert.ok(await eventually(() => gone('/api/v1/namespaces/port/configmaps/owned')));
    assert.ok(await eventually(() => gone(`${path}/two`)));
    assert.equal((await request('GET', `${path}/three`)).status, 200);
    await request('DELETE', '/api/v1/namespaces/port');
    assert.ok(await eventually(() => gone('/api/v1/namespaces/port')));
    assert.deepEqual((await request('GET', '/apis/example.com/v1/boats')).body.items, []);
    await request('DELETE', `${DEFINITIONS}/boats.example.com`);
    assert.ok(await eventually(() => gone(`${DEFINITIONS}/boats.example.com`)));
  } finally {
    stop();
  }
});
