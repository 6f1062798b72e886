import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNotFound } from '../../api/errors.ts';
import { configMaps } from '../../api/kinds/configmap.ts';
import { customResourceDefinitions } from '../../api/kinds/customresourcedefinition.ts';
import { namespaces } from '../../api/kinds/namespace.ts';
import type { Resource } from '../../api/resource.ts';
import type { KubeObject, OwnerReference } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';

async function withCluster(run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  try {
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

function make(
  { client }: TestCluster,
  name: string,
  owners: readonly OwnerReference[] = [],
  more: object = {},
): Promise<KubeObject> {
  const metadata = { name, namespace: 'default', ownerReferences: [...owners], ...more };
  return client.create(configMaps, { metadata });
}

function ref(owner: KubeObject, more: object = {}): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid!, ...more };
}

function find({ client }: TestCluster, name: string): Promise<KubeObject | undefined> {
  return client.get(configMaps, { name, namespace: 'default' }).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
}

async function gone(cluster: TestCluster, ...names: string[]): Promise<void> {
  await cluster.eventually(async () =>
    (await Promise.all(names.map((name) => find(cluster, name)))).some(Boolean) ? undefined : true,
  );
}

test('background: what is owned goes after its owner, down to the last', () =>
  withCluster(async (cluster) => {
    const a = await make(cluster, 'a');
    const b = await make(cluster, 'b', [ref(a)]);
    await make(cluster, 'c', [ref(b)]);
    await cluster.client.delete(configMaps, { name: 'a', namespace: 'default' }, { propagationPolicy: 'Background' });
    await gone(cluster, 'a', 'b', 'c');
  }));

test('foreground: an owner stays until all that blocks it is gone', () =>
  withCluster(async (cluster) => {
    const a = await make(cluster, 'a');
    const b = await make(cluster, 'b', [ref(a, { blockOwnerDeletion: true })], { finalizers: ['example.com/hold'] });
    await make(cluster, 'c', [ref(b, { blockOwnerDeletion: true })]);
    await cluster.client.delete(configMaps, { name: 'a', namespace: 'default' }, { propagationPolicy: 'Foreground' });
    await gone(cluster, 'c');
    const held = await find(cluster, 'b');
    assert.ok(held?.metadata.deletionTimestamp);
    assert.ok((await find(cluster, 'a'))?.metadata.deletionTimestamp);
    const body = { metadata: { finalizers: null } };
    await cluster.client.patch(configMaps, { name: 'b', namespace: 'default' }, { type: 'merge', body });
    await gone(cluster, 'a', 'b');
  }));

test('orphan: what is owned stays, and is nobody’s', () =>
  withCluster(async (cluster) => {
    const a = await make(cluster, 'a');
    await make(cluster, 'b', [ref(a)]);
    await cluster.client.delete(configMaps, { name: 'a', namespace: 'default' }, { propagationPolicy: 'Orphan' });
    await gone(cluster, 'a');
    assert.equal((await find(cluster, 'b'))?.metadata.ownerReferences, undefined);
  }));

test('an object with another owner stays, and forgets the one that is gone', () =>
  withCluster(async (cluster) => {
    for (const propagationPolicy of ['Background', 'Foreground'] as const) {
      const a = await make(cluster, 'a');
      const b = await make(cluster, 'b');
      await make(cluster, 'both', [ref(a, { blockOwnerDeletion: true }), ref(b)]);
      await cluster.client.delete(configMaps, { name: 'a', namespace: 'default' }, { propagationPolicy });
      await gone(cluster, 'a');
      const left = await cluster.eventually(async () => {
        const owners = (await find(cluster, 'both'))?.metadata.ownerReferences;
        return owners?.length === 1 ? owners : undefined;
      });
      assert.equal(left[0]!.name, 'b');
      await cluster.client.delete(configMaps, { name: 'b', namespace: 'default' }, { propagationPolicy: 'Background' });
      await gone(cluster, 'b', 'both');
    }
  }));

test('an owner that never was, or lives elsewhere, keeps nothing', () =>
  withCluster(async (cluster) => {
    await cluster.client.create(namespaces, { metadata: { name: 'other' } });
    const foreign = await cluster.client.create(configMaps, { metadata: { name: 'a', namespace: 'other' } });
    await make(cluster, 'stray', [ref(foreign)]);
    await make(cluster, 'lost', [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'nobody', uid: 'none' }]);
    await make(cluster, 'unknown', [{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'w' }]);
    await gone(cluster, 'stray', 'lost');
    assert.ok(await find(cluster, 'unknown'), 'an owner of a kind that is not served can not be judged');
  }));

const WIDGETS = {
  group: 'example.com',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  singular: 'widget',
  namespaced: true,
} as Resource;

const DEFINITION = {
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
    scope: 'Namespaced' as const,
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
};

test('custom kinds own and are owned, and go with their namespace', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    await client.create(customResourceDefinitions, DEFINITION as never);
    const widget = (name: string, namespace: string, owners: OwnerReference[] = []) =>
      client.create(WIDGETS, { metadata: { name, namespace, ownerReferences: owners } });
    const owner = await widget('owner', 'default');
    await make(cluster, 'owned', [ref(owner)]);
    const map = await make(cluster, 'map');
    await widget('owned', 'default', [ref(map)]);
    await client.delete(WIDGETS, { name: 'owner', namespace: 'default' }, { propagationPolicy: 'Foreground' });
    await client.delete(configMaps, { name: 'map', namespace: 'default' }, { propagationPolicy: 'Background' });
    await gone(cluster, 'owned', 'map');
    await cluster.eventually(async () => ((await client.list(WIDGETS)).items.length === 0 ? true : undefined));

    await client.create(namespaces, { metadata: { name: 'team' } });
    await widget('w', 'team');
    await client.delete(namespaces, { name: 'team' });
    await cluster.eventually(() =>
      client.get(namespaces, { name: 'team' }).then(
        () => undefined,
        () => true,
      ),
    );
    assert.deepEqual((await client.list(WIDGETS)).items, []);
  }));

test('a namespace says what keeps it', () =>
  withCluster(async ({ client, eventually }) => {
    await client.create(namespaces, { metadata: { name: 'team' } });
    await client.create(configMaps, {
      metadata: { name: 'held', namespace: 'team', finalizers: ['example.com/hold'] },
    });
    await client.delete(namespaces, { name: 'team' });
    const conditions = await eventually(async () => {
      const { status } = await client.get(namespaces, { name: 'team' });
      return status?.conditions?.some(
        ({ type, status: value }) => type === 'NamespaceFinalizersRemaining' && value === 'True',
      )
        ? status.conditions
        : undefined;
    });
    const texts = Object.fromEntries(conditions.map(({ type, message }) => [type, message]));
    assert.match(
      texts['NamespaceContentRemaining']!,
      /^Some resources are remaining: configmaps\. has \d resource instances/,
    );
    assert.equal(
      texts['NamespaceFinalizersRemaining'],
      'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
    );
    assert.equal(
      texts['NamespaceDeletionContentFailure'],
      'All content successfully deleted, may be waiting on finalization',
    );
    await client.patch(
      configMaps,
      { name: 'held', namespace: 'team' },
      { type: 'merge', body: { metadata: { finalizers: null } } },
    );
    await eventually(() =>
      client.get(namespaces, { name: 'team' }).then(
        () => undefined,
        () => true,
      ),
    );
  }));
