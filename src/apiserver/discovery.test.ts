import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestServer } from '../testing/server.ts';
import { cronTabs } from './crd/crontab.fixture.ts';

const V2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

async function served() {
  const server = await startTestServer();
  await server.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', cronTabs);
  return server;
}

test('groups of definitions come after all others, their best version first', async () => {
  const { request } = await served();
  const { groups } = (await request('GET', '/apis')).body as { groups: { name: string; preferredVersion: object }[] };
  assert.equal(groups[0]!.name, 'apps');
  assert.deepEqual(groups.at(-1), {
    name: 'stable.example.com',
    versions: [
      { groupVersion: 'stable.example.com/v1', version: 'v1' },
      { groupVersion: 'stable.example.com/v1beta1', version: 'v1beta1' },
    ],
    preferredVersion: { groupVersion: 'stable.example.com/v1', version: 'v1' },
  });
  const networking = groups.find(({ name }) => name === 'networking.k8s.io')!;
  assert.deepEqual(networking.preferredVersion, { groupVersion: 'networking.k8s.io/v1', version: 'v1' });
});

test('a custom resource is listed with its names and subresources', async () => {
  const { request } = await served();
  const { resources } = (await request('GET', '/apis/stable.example.com/v1')).body;
  assert.deepEqual(
    resources.map((resource: { name: string; kind: string }) => [resource.name, resource.kind]),
    [
      ['crontabs', 'CronTab'],
      ['crontabs/scale', 'Scale'],
      ['crontabs/status', 'CronTab'],
    ],
  );
  assert.deepEqual(resources[0].shortNames, ['ct']);
  assert.deepEqual(resources[1].group, 'autoscaling');
  assert.equal((await request('GET', '/apis/stable.example.com/v2')).status, 404);
});

test('subresources are listed when they are served, reviews always', async () => {
  const { request } = await served();
  const names = async (path: string) =>
    (await request('GET', path)).body.resources.map(({ name }: { name: string }) => name);
  const core = await names('/api/v1');
  assert.ok(core.includes('pods/binding') && core.includes('pods/eviction') && core.includes('namespaces/finalize'));
  assert.ok(!core.includes('pods/resize'));
  assert.deepEqual(await names('/apis/authentication.k8s.io/v1'), ['selfsubjectreviews', 'tokenreviews']);
});

test('aggregated discovery says all at once, and is not sent twice', async () => {
  const { request } = await served();
  const { body, headers } = await request('GET', '/apis', undefined, { accept: `${V2},application/json` });
  assert.equal(body.kind, 'APIGroupDiscoveryList');
  assert.equal(headers['content-type'], V2);
  const group = body.items.at(-1);
  assert.equal(group.metadata.name, 'stable.example.com');
  assert.deepEqual(
    group.versions.map(({ version }: { version: string }) => version),
    ['v1', 'v1beta1'],
  );
  assert.deepEqual(group.versions[0].resources[0].responseKind, {
    group: 'stable.example.com',
    version: 'v1',
    kind: 'CronTab',
  });
  const again = await request('GET', '/apis', undefined, { accept: V2, 'if-none-match': headers['etag']! });
  assert.equal(again.status, 304);
  await request('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/crontabs.stable.example.com');
  let now = again;
  while (now.status === 304)
    now = await request('GET', '/apis', undefined, { accept: V2, 'if-none-match': headers['etag']! });
  assert.notEqual(now.body.items.at(-1).metadata.name, 'stable.example.com');
});
