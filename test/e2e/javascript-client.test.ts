import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  ApiextensionsV1Api,
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type V1ConfigMap,
  VersionApi,
} from '@kubernetes/client-node';
import { createMemoryStore } from '../../src/store/memory.ts';
import { type HttpsServer, startHttpsServer } from '../../src/testing/https-server.ts';

describe('the JavaScript client', () => {
  let server: HttpsServer;
  const config = new KubeConfig();
  before(async () => {
    server = await startHttpsServer({ store: createMemoryStore() });
    config.loadFromString(server.kubeconfig);
  });
  after(() => server.stop());

  const namespace = 'default';
  const core = () => config.makeApiClient(CoreV1Api);

  test('asks, makes, changes and deletes', async () => {
    assert.match((await config.makeApiClient(VersionApi).getCode()).gitVersion, /^v1\.35/);
    const body = { metadata: { name: 'one' }, data: { a: '1' } };
    const created = await core().createNamespacedConfigMap({ namespace, body });
    assert.equal(created.metadata?.name, 'one');
    created.data = { a: '2' };
    await core().replaceNamespacedConfigMap({ namespace, name: 'one', body: created });
    await assert.rejects(core().replaceNamespacedConfigMap({ namespace, name: 'one', body: created }), { code: 409 });
    const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    const patched = await core().patchNamespacedConfigMap(
      { namespace, name: 'one', body: { data: { b: '3' } } },
      merge,
    );
    assert.deepEqual(patched.data, { a: '2', b: '3' });
    await core().deleteNamespacedConfigMap({ namespace, name: 'one' });
    await assert.rejects(core().readNamespacedConfigMap({ namespace, name: 'one' }), { code: 404 });
  });

  test('its informer follows a kind', async () => {
    const seen: string[] = [];
    const told = new Map<string, () => void>();
    const next = (text: string) => new Promise<void>((resolve) => told.set(text, resolve));
    const tell = (verb: string) => (object: V1ConfigMap) => {
      const text = `${verb} ${object.metadata?.name}`;
      seen.push(text);
      told.get(text)?.();
    };
    await core().createNamespacedConfigMap({ namespace, body: { metadata: { name: 'before' } } });
    const list = () => core().listNamespacedConfigMap({ namespace });
    const informer = makeInformer<V1ConfigMap>(config, `/api/v1/namespaces/${namespace}/configmaps`, list);
    for (const verb of ['add', 'update', 'delete'] as const) informer.on(verb, tell(verb));
    await informer.start();
    try {
      const added = next('add later');
      const body = await core().createNamespacedConfigMap({ namespace, body: { metadata: { name: 'later' } } });
      await added;
      const updated = next('update later');
      await core().replaceNamespacedConfigMap({ namespace, name: 'later', body: { ...body, data: { a: '1' } } });
      await updated;
      const deleted = next('delete later');
      await core().deleteNamespacedConfigMap({ namespace, name: 'later' });
      await deleted;
      assert.deepEqual(
        seen.filter((text) => text.endsWith('later')),
        ['add later', 'update later', 'delete later'],
      );
      assert.deepEqual(
        informer.list().map(({ metadata }) => metadata?.name),
        ['before'],
      );
    } finally {
      await informer.stop();
    }
  });

  test('applies objects of any kind', async () => {
    const objects = KubernetesObjectApi.makeApiClient(config);
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace },
      spec: {
        replicas: 2,
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
      },
    };
    await objects.patch(deployment, undefined, undefined, 'me', true, PatchStrategy.ServerSideApply);
    const read = await config.makeApiClient(AppsV1Api).readNamespacedDeployment({ namespace, name: 'web' });
    assert.equal(read.spec?.replicas, 2);
    assert.equal(read.metadata?.managedFields?.[0]?.manager, 'me');
  });

  test('defines a kind and uses it', async () => {
    const masts = { type: 'integer', _default: 1, minimum: 1 };
    const schema = {
      type: 'object',
      properties: { spec: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, masts } } },
    };
    const spec = {
      group: 'sea.example.com',
      scope: 'Namespaced',
      names: { plural: 'boats', kind: 'Boat' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    };
    const definition = { metadata: { name: 'boats.sea.example.com' }, spec };
    await config.makeApiClient(ApiextensionsV1Api).createCustomResourceDefinition({ body: definition });
    const custom = config.makeApiClient(CustomObjectsApi);
    const at = { group: 'sea.example.com', version: 'v1', plural: 'boats', namespace };
    const body = { apiVersion: 'sea.example.com/v1', kind: 'Boat', metadata: { name: 'sampan' } };
    await assert.rejects(custom.createNamespacedCustomObject({ ...at, body: { ...body, spec: {} } }), { code: 422 });
    await custom.createNamespacedCustomObject({ ...at, body: { ...body, spec: { name: 'Junk' } } });
    const found = await custom.getNamespacedCustomObject({ ...at, name: 'sampan' });
    assert.deepEqual(found.spec, { name: 'Junk', masts: 1 });
  });
});
