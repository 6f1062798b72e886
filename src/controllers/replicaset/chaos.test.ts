import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobs } from '../../api/kinds/job.ts';
import { nodes } from '../../api/kinds/node.ts';
import { pods } from '../../api/kinds/pod.ts';
import { replicaSets } from '../../api/kinds/replicaset.ts';
import { statefulSets } from '../../api/kinds/statefulset.ts';
import type { Pod } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { createRandom } from '../../testing/server.ts';

const TEMPLATE = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const KEY = { name: 'web', namespace: 'default' };
const ONCE = { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' as const };

const isActive = ({ metadata, status }: Pod) =>
  !metadata.deletionTimestamp && status?.phase !== 'Failed' && status?.phase !== 'Succeeded';
const ownedBy = (kind: string) => (pod: Pod) =>
  pod.metadata.ownerReferences?.some((owner) => owner.kind === kind) ?? false;

/** Watches what is in the store, not what a cache shows, for a number of pods that is never allowed. */
function mostActive(cluster: TestCluster, kind: string): () => number {
  let most = 0;
  const active = new Set<string>();
  const isOwned = ownedBy(kind);
  cluster.store.watch('/core/pods/', 0, ({ key, current }) => {
    const pod = current && (JSON.parse(current.value) as Pod);
    if (pod && isOwned(pod) && isActive(pod)) active.add(key);
    else active.delete(key);
    most = Math.max(most, active.size);
  });
  return () => most;
}

/** Pods that fail, are deleted, and lose their nodes, in an order that a seed decides. */
async function disturb(cluster: TestCluster, seed: number, steps = 25): Promise<void> {
  const { client } = cluster;
  const random = createRandom(seed);
  const ignore = () => {};
  for (let step = 0; step < steps; step++) {
    const { items } = await client.list(pods, { namespace: 'default' });
    // A pod fails only after it ran.
    const pod = items[Math.floor(random() * items.length)];
    const what = random();
    if (pod?.status?.podIP && isActive(pod) && what < 0.4) {
      const key = { name: pod.metadata.name, namespace: 'default' };
      await client.patch(pods, key, { type: 'merge', body: failed(pod), subresource: 'status' }).catch(ignore);
    } else if (pod && what < 0.8) {
      await client.delete(pods, { name: pod.metadata.name, namespace: 'default' }).catch(ignore);
    } else {
      const name = `node-${1 + Math.floor(random() * 3)}`;
      await client.delete(nodes, { name }).catch(ignore);
      await cluster.addNode(name).catch(ignore);
    }
    if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Unless it has changed meanwhile: what has ended does not end otherwise. */
function failed({ metadata }: Pod): object {
  return { metadata: { resourceVersion: metadata.resourceVersion }, status: { phase: 'Failed' } };
}

async function withNodes(run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  try {
    for (const name of ['node-1', 'node-2', 'node-3']) await cluster.addNode(name);
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

async function settled({ client, eventually }: TestCluster, kind: string, count: number): Promise<void> {
  await eventually(async () => {
    const { items } = await client.list(pods, { namespace: 'default' });
    const active = items.filter((pod) => ownedBy(kind)(pod) && isActive(pod) && pod.status?.phase === 'Running');
    return active.length === count ? true : undefined;
  });
}

for (const seed of [1, 2, 3]) {
  test(`whatever fails, sets have neither more pods than they ask for nor fewer in the end (seed ${seed})`, () =>
    withNodes(async (cluster) => {
      const { client } = cluster;
      const most = mostActive(cluster, 'ReplicaSet');
      const mostStateful = mostActive(cluster, 'StatefulSet');
      await client.create(replicaSets, {
        metadata: KEY,
        spec: { replicas: 6, selector: { matchLabels: { app: 'web' } }, template: TEMPLATE },
      });
      const template = { ...TEMPLATE, metadata: { labels: { app: 'db' } } };
      const spec = { replicas: 3, serviceName: 'db', selector: { matchLabels: { app: 'db' } }, template };
      await client.create(statefulSets, { metadata: { ...KEY, name: 'db' }, spec });
      await disturb(cluster, seed);
      await settled(cluster, 'ReplicaSet', 6);
      await settled(cluster, 'StatefulSet', 3);
      assert.ok(most() <= 6, `${most()} pods of a ReplicaSet at once`);
      assert.ok(mostStateful() <= 3, `${mostStateful()} pods of a StatefulSet at once`);
    }));

  test(`whatever fails, a Job never runs more than it may at once (seed ${seed})`, () =>
    withNodes(async (cluster) => {
      const most = mostActive(cluster, 'Job');
      const spec = { completions: 50, parallelism: 4, backoffLimit: 1000, template: { spec: ONCE } };
      await cluster.client.create(jobs, { metadata: KEY, spec });
      await disturb(cluster, seed + 10);
      assert.ok(most() <= 4, `${most()} pods of a Job at once`);
      const job = await cluster.client.get(jobs, KEY);
      assert.ok((job.status?.active ?? 0) <= 4);
    }));
}

test('controllers that are killed and started anew make nothing twice, and count each pod of a Job once', async () => {
  let cluster = await startTestCluster();
  try {
    for (const name of ['node-1', 'node-2', 'node-3']) await cluster.addNode(name);
    const [most, mostStateful, mostJob] = ['ReplicaSet', 'StatefulSet', 'Job'].map((kind) =>
      mostActive(cluster, kind),
    ) as [() => number, () => number, () => number];
    const { client } = cluster;
    const succeeded = new Set<string>();
    cluster.store.watch('/core/pods/', 0, ({ current }) => {
      const pod = current && (JSON.parse(current.value) as Pod);
      if (pod && ownedBy('Job')(pod) && pod.status?.phase === 'Succeeded') succeeded.add(pod.metadata.uid!);
    });
    await client.create(replicaSets, {
      metadata: KEY,
      spec: { replicas: 5, selector: { matchLabels: { app: 'web' } }, template: TEMPLATE },
    });
    const db = { ...TEMPLATE, metadata: { labels: { app: 'db' } } };
    const spec = {
      replicas: 3,
      selector: { matchLabels: { app: 'db' } },
      template: db,
      podManagementPolicy: 'Parallel' as const,
    };
    await client.create(statefulSets, { metadata: { ...KEY, name: 'db' }, spec });
    await client.create(jobs, { metadata: KEY, spec: { completions: 8, parallelism: 3, template: { spec: ONCE } } });
    for (let life = 0; life < 6; life++) {
      await succeedSome(cluster);
      await disturb(cluster, 20 + life, 4);
      cluster.stop();
      cluster = await startTestCluster({ over: cluster });
    }
    await settled(cluster, 'ReplicaSet', 5);
    await settled(cluster, 'StatefulSet', 3);
    const { status } = await cluster.eventually(async () => {
      await succeedSome(cluster);
      const job = await client.get(jobs, KEY);
      return job.status?.completionTime || job.status?.conditions?.some(({ type }) => type === 'Failed')
        ? job
        : undefined;
    });
    assert.equal(status?.succeeded ?? 0, succeeded.size);
    assert.ok(most() <= 5 && mostStateful() <= 3 && mostJob() <= 3, `${most()} ${mostStateful()} ${mostJob()}`);
  } finally {
    cluster.stop();
  }
});

/** Ends the running pods of Jobs well. */
async function succeedSome({ client }: TestCluster): Promise<void> {
  const { items } = await client.list(pods, { namespace: 'default' });
  for (const { metadata } of items.filter((pod) => ownedBy('Job')(pod) && pod.status?.podIP && isActive(pod))) {
    const key = { name: metadata.name, namespace: 'default' };
    const body = { metadata: { resourceVersion: metadata.resourceVersion }, status: { phase: 'Succeeded' } };
    await client.patch(pods, key, { type: 'merge', body, subresource: 'status' }).catch(() => {});
  }
}
