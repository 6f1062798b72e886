import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pods } from '../../api/kinds/pod.ts';
import { replicaSets } from '../../api/kinds/replicaset.ts';
import { replicationControllers } from '../../api/kinds/replicationcontroller.ts';
import type { Pod, ReplicaSet } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { nextAvailableIn } from '../common.ts';
import { replicaSetStatus } from './status.ts';
import { victims } from './victims.ts';

const NOW = Date.UTC(2026, 0, 1);
const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();

interface PodFacts {
  node?: string;
  phase?: string;
  /** Seconds after NOW at which it became ready. */
  readyAt?: number;
  cost?: string;
  restarts?: number;
  createdAt?: number;
}

function pod(name: string, facts: PodFacts = {}): Pod {
  const { node = 'a', phase = 'Running', readyAt, cost, restarts = 0, createdAt = -1000 } = facts;
  const ready = readyAt === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: at(readyAt) }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      creationTimestamp: at(createdAt),
      labels: { app: 'web' },
      annotations: cost === undefined ? {} : { 'controller.kubernetes.io/pod-deletion-cost': cost },
    },
    spec: { containers: [], ...(node === '' ? {} : { nodeName: node }) },
    status: {
      phase,
      conditions: ready,
      containerStatuses: [{ name: 'c', image: '', imageID: '', ready: true, restartCount: restarts }],
    },
  } as Pod;
}

test('victims() takes first what is missed least', () => {
  const ready = { readyAt: -100 };
  const rows: [string, Pod, Pod][] = [
    ['no node yet', pod('x', { node: '', phase: 'Pending' }), pod('y', { phase: 'Pending' })],
    ['pending', pod('x', { phase: 'Pending' }), pod('y')],
    ['not ready', pod('x'), pod('y', { readyAt: -10 })],
    ['cheaper', pod('x', { ...ready, cost: '-5' }), pod('y', { ...ready })],
    ['ready later', pod('x', { readyAt: -5 }), pod('y', { readyAt: -50 })],
    ['restarted more', pod('x', { ...ready, restarts: 3 }), pod('y', { ...ready, restarts: 1 })],
    ['younger', pod('x', { ...ready, createdAt: -1 }), pod('y', { ...ready, createdAt: -9 })],
  ];
  for (const [name, first, second] of rows) {
    assert.equal(victims([second, first], 1)[0]!.metadata.name, 'x', name);
    assert.equal(victims([first, second], 1)[0]!.metadata.name, 'x', name);
  }
  const crowded = [pod('1', { ...ready, node: 'b' }), pod('2', ready), pod('3', ready)];
  assert.notEqual(victims(crowded, 1)[0]!.metadata.name, '1', 'alone on its node');
  assert.deepEqual(victims(crowded, 0), []);
  assert.deepEqual(victims(crowded, -3), []);
});

function set(spec: object, status?: object): ReplicaSet {
  const metadata = { name: 'web', generation: 4 };
  const template = { metadata: { labels: { app: 'web' } } };
  const selector = { matchLabels: { app: 'web' } };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata,
    spec: { selector, template, ...spec },
    status,
  } as ReplicaSet;
}

test('replicaSetStatus() counts the ready and the available', () => {
  const active = [pod('1'), pod('2', { readyAt: -5 }), pod('3', { readyAt: -50 })];
  const counts = (minReadySeconds: number) => {
    const { readyReplicas, availableReplicas } = replicaSetStatus(set({ minReadySeconds }), { active, now: NOW });
    return [readyReplicas, availableReplicas ?? 0, nextAvailableIn(active, minReadySeconds, NOW)];
  };
  assert.deepEqual(counts(0), [2, 2, undefined]);
  assert.deepEqual(counts(20), [2, 1, 15_000]);
  assert.deepEqual(counts(100), [2, 0, 50_000]);
});

test('replicaSetStatus() says why pods are missing until they are not', () => {
  const failed = replicaSetStatus(set({ replicas: 2 }), { active: [], now: NOW, failure: 'no room' });
  const { type, status, reason, message } = failed.conditions![0]!;
  assert.deepEqual([type, status, reason, message], ['ReplicaFailure', 'True', 'FailedCreate', 'no room']);
  assert.equal(replicaSetStatus(set({ replicas: 2 }, failed), { active: [], now: NOW }).conditions, undefined);
});

const WEB = {
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
};

async function withCluster(run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  try {
    await cluster.addNode('node-1');
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

async function settled({ client, eventually }: TestCluster, count: number): Promise<Pod[]> {
  return eventually(async () => {
    const { status } = await client.get(replicaSets, { name: 'web', namespace: 'default' });
    const { items } = await client.list(pods, { namespace: 'default' });
    const owned = items.filter((item) => item.metadata.ownerReferences?.[0]?.name === 'web');
    return status?.availableReplicas === count && owned.length === count ? owned : undefined;
  });
}

test('a ReplicaSet makes neither too many nor too few pods', () =>
  withCluster(async (cluster) => {
    const made: string[] = [];
    cluster.informers.of(pods).subscribe(({ type, object }) => type === 'added' && made.push(object.metadata.name));
    await cluster.client.create(replicaSets, { ...WEB, spec: { ...WEB.spec, replicas: 20 } });
    await settled(cluster, 20);
    assert.equal(made.length, 20);
  }));

test('a ReplicaSet takes in orphans and lets go what no longer matches', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    const orphan = { metadata: { name: 'orphan', namespace: 'default', labels: { app: 'web' } } };
    await client.create(pods, { ...orphan, spec: { containers: [{ name: 'c', image: 'i' }] } });
    await client.create(replicaSets, WEB);
    const owned = await settled(cluster, 2);
    assert.ok(owned.some((item) => item.metadata.name === 'orphan'));
    const key = { name: 'orphan', namespace: 'default' };
    await client.patch(pods, key, { type: 'merge', body: { metadata: { labels: { app: 'else' } } } });
    await cluster.eventually(async () => ((await client.get(pods, key)).metadata.ownerReferences ? undefined : true));
    await settled(cluster, 2);
  }));

test('a ReplicationController selects by its template’s labels, is scaled, and lets go of its pods', () =>
  withCluster(async ({ client, eventually, request }) => {
    const key = { name: 'rc', namespace: 'default' };
    const template = { metadata: { labels: { app: 'old' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const made = await client.create(replicationControllers, { metadata: key, spec: { replicas: 2, template } });
    assert.deepEqual([made.spec?.selector, made.metadata.labels], [{ app: 'old' }, { app: 'old' }]);
    const count = (wanted: number) =>
      eventually(async () => {
        const { status } = await client.get(replicationControllers, key);
        const { items } = await client.list(pods, { labelSelector: 'app=old' });
        return status?.availableReplicas === wanted && items.length === wanted ? items : undefined;
      });
    await count(2);
    const path = '/api/v1/namespaces/default/replicationcontrollers/rc/scale';
    const scale = (await request('GET', path)).body;
    assert.equal(scale.status.selector, 'app=old');
    await request('PUT', path, { ...scale, spec: { replicas: 3 } });
    const owned = await count(3);
    assert.equal(owned[0]!.metadata.ownerReferences?.[0]?.kind, 'ReplicationController');
    await client.delete(replicationControllers, key, { propagationPolicy: 'Orphan' });
    await eventually(async () => {
      const { items } = await client.list(pods, { labelSelector: 'app=old' });
      return items.length === 3 && items.every(({ metadata }) => !metadata.ownerReferences) ? true : undefined;
    });
  }));
