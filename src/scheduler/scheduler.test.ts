import assert from 'node:assert/strict';
import { test } from 'node:test';
import { events } from '../api/kinds/event.ts';
import { persistentVolumes } from '../api/kinds/persistentvolume.ts';
import { persistentVolumeClaims } from '../api/kinds/persistentvolumeclaim.ts';
import { pods } from '../api/kinds/pod.ts';
import { storageClasses } from '../api/kinds/storageclass.ts';
import type { Pod } from '../api/types.ts';
import { startTestCluster, type TestCluster } from '../testing/cluster.ts';

const key = (name: string) => ({ name, namespace: 'default' });

function create({ client }: TestCluster, name: string, spec: object = {}, requests: object = {}): Promise<Pod> {
  const containers = [{ name: 'c', image: 'i', resources: { requests } }];
  return client.create(pods, { metadata: key(name), spec: { containers, ...spec } as Pod['spec'] });
}

function scheduled({ client, eventually }: TestCluster, name: string): Promise<Pod> {
  return eventually(async () => {
    const pod = await client.get(pods, key(name));
    return pod.spec?.nodeName ? pod : undefined;
  });
}

function refused({ client, eventually }: TestCluster, name: string, message: RegExp): Promise<Pod> {
  return eventually(async () => {
    const pod = await client.get(pods, key(name));
    const condition = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    return condition?.status === 'False' && message.test(condition.message ?? '') ? pod : undefined;
  });
}

async function withCluster(nodes: readonly string[], run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  try {
    for (const name of nodes) await cluster.addNode(name);
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

test('a pod that fits nowhere says why, and is placed when a node comes', () =>
  withCluster(['node-1', 'node-2'], async (cluster) => {
    await create(cluster, 'large', {}, { cpu: '3' });
    await create(cluster, 'other', {}, { cpu: '3' });
    await Promise.all([scheduled(cluster, 'large'), scheduled(cluster, 'other')]);
    await create(cluster, 'late', {}, { cpu: '3' });
    const text =
      '0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.';
    const pod = await refused(cluster, 'late', /./);
    const condition = pod.status!.conditions!.find(({ type }) => type === 'PodScheduled')!;
    assert.deepEqual([condition.reason, condition.message], ['Unschedulable', text]);
    await cluster.eventually(async () => {
      const { items } = await cluster.client.list(events, { namespace: 'default' });
      return items.find(({ reason, message }) => reason === 'FailedScheduling' && message === text);
    });
    await cluster.addNode('node-3');
    assert.equal((await scheduled(cluster, 'late')).spec!.nodeName, 'node-3');
    await cluster.eventually(async () => {
      const { items } = await cluster.client.list(events, { namespace: 'default' });
      return items.find(({ message }) => message === 'Successfully assigned default/late to node-3');
    });
  }));

test('a pod waits while it has scheduling gates', () =>
  withCluster(['node-1'], async (cluster) => {
    const gated = await create(cluster, 'gated', { schedulingGates: [{ name: 'example.com/wait' }] });
    assert.equal(gated.status!.conditions![0]!.reason, 'SchedulingGated');
    await create(cluster, 'next');
    await scheduled(cluster, 'next');
    const closed = await cluster.client.get(pods, key('gated'));
    assert.equal(closed.spec!.nodeName, undefined);
    const patch = { type: 'merge' as const, body: { spec: { schedulingGates: null } } };
    await cluster.client.patch(pods, key('gated'), patch);
    await scheduled(cluster, 'gated');
  }));

test('an important pod makes room: its victim ends, and it gets the node', () =>
  withCluster(['node-1'], async (cluster) => {
    await create(cluster, 'small', { priority: 1 }, { cpu: '3' });
    await create(cluster, 'dear', { priority: 5 }, { cpu: '1' });
    await Promise.all([scheduled(cluster, 'small'), scheduled(cluster, 'dear')]);
    await create(cluster, 'important', { priority: 10 }, { cpu: '3' });
    const nominated = await cluster.eventually(async () => {
      const pod = await cluster.client.get(pods, key('important'));
      return pod.status?.nominatedNodeName || pod.spec?.nodeName ? pod : undefined;
    });
    assert.equal(nominated.status!.nominatedNodeName, 'node-1');
    await scheduled(cluster, 'important');
    const { items } = await cluster.client.list(pods, { namespace: 'default' });
    assert.deepEqual(items.map(({ metadata }) => metadata.name).sort(), ['dear', 'important']);
    const preempted = await cluster.eventually(async () => {
      const found = await cluster.client.list(events, { namespace: 'default' });
      return found.items.find(({ reason }) => reason === 'Preempted');
    });
    assert.equal(preempted.involvedObject.name, 'small');
    assert.match(preempted.message!, /^Preempted by pod [0-9a-f-]{36} on node node-1$/);
  }));

test('a pod goes where its volumes are, and takes those that wait for it', () =>
  withCluster(['node-1', 'node-2'], async (cluster) => {
    const { client } = cluster;
    const claim = (name: string, spec: object) =>
      client.create(persistentVolumeClaims, {
        metadata: key(name),
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
      });
    const volumeOf = (...names: string[]) => ({
      volumes: names.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
    });
    await create(cluster, 'early', volumeOf('missing'));
    await refused(cluster, 'early', /^0\/2 nodes are available: persistentvolumeclaim "missing" not found\./);
    await claim('missing', { storageClassName: 'now' });
    await refused(cluster, 'early', /: pod has unbound immediate PersistentVolumeClaims\./);

    const waits = { provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' as const };
    await client.create(storageClasses, { metadata: { name: 'local' }, ...waits });
    await claim('data', { storageClassName: 'local' });
    await create(cluster, 'stateful', volumeOf('data'));
    await refused(cluster, 'stateful', /2 node\(s\) didn't find available persistent volumes to bind\./);
    const term = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In' as const, values: ['node-2'] }] };
    const spec = {
      capacity: { storage: '2Gi' },
      accessModes: ['ReadWriteOnce' as const],
      storageClassName: 'local',
      local: { path: '/mnt' },
      nodeAffinity: { required: { nodeSelectorTerms: [term] } },
    };
    await client.create(persistentVolumes, { metadata: { name: 'disk' }, spec });
    const available = {
      type: 'merge' as const,
      body: { status: { phase: 'Available' } },
      subresource: 'status' as const,
    };
    await client.patch(persistentVolumes, { name: 'disk' }, available);
    const taken = await cluster.eventually(async () => {
      const { spec } = await client.get(persistentVolumes, { name: 'disk' });
      return spec?.claimRef;
    });
    assert.equal(taken.name, 'data');
    await client.patch(persistentVolumeClaims, key('data'), { type: 'merge', body: { spec: { volumeName: 'disk' } } });
    const bound = { type: 'merge' as const, body: { status: { phase: 'Bound' } }, subresource: 'status' as const };
    await client.patch(persistentVolumeClaims, key('data'), bound);
    assert.equal((await scheduled(cluster, 'stateful')).spec!.nodeName, 'node-2');

    await create(cluster, 'elsewhere', { ...volumeOf('data'), nodeSelector: { 'kubernetes.io/hostname': 'node-1' } });
    await refused(
      cluster,
      'elsewhere',
      /: 1 node\(s\) didn't match PersistentVolume's node affinity, 1 node\(s\) didn't match Pod's node affinity\/selector\./,
    );
  }));
