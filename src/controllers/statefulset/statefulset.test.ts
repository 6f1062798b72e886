import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { controllerRevisions } from '../../api/kinds/controllerrevision.ts';
import { persistentVolumeClaims } from '../../api/kinds/persistentvolumeclaim.ts';
import { pods } from '../../api/kinds/pod.ts';
import { statefulSets } from '../../api/kinds/statefulset.ts';
import type { Pod, StatefulSet } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { ordinalOf, planStatefulSet } from './plan.ts';
import { claimOwners } from './pod.ts';
import { statefulSetStatus } from './status.ts';

const NOW = Date.UTC(2026, 0, 1);
const KEY = { name: 'web', namespace: 'default' };

function set(spec: object = {}): StatefulSet {
  const metadata = { ...KEY, uid: 'set', generation: 1 };
  return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec: { replicas: 3, ...spec } } as StatefulSet;
}

interface PodFacts {
  ready?: boolean;
  ending?: boolean;
  phase?: string;
  revision?: string;
}

function pod(
  ordinal: number,
  { ready = true, ending = false, phase = 'Running', revision = 'new' }: PodFacts = {},
): Pod {
  const conditions = [
    { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: new Date(NOW).toISOString() },
  ];
  return {
    metadata: {
      name: `web-${ordinal}`,
      uid: `pod-${ordinal}`,
      labels: { 'controller-revision-hash': revision },
      ...(ending ? { deletionTimestamp: new Date(NOW).toISOString() } : {}),
    },
    status: { phase, conditions },
  } as unknown as Pod;
}

test('planStatefulSet() takes one step at a time, or all at once when the set is Parallel', () => {
  const old = { revision: 'old' };
  const rows: [string, object, Pod[], string][] = [
    ['the first', {}, [], '+0'],
    ['the next waits for the first', {}, [pod(0, { ready: false })], ''],
    ['the next', {}, [pod(0)], '+1'],
    ['a gap first', {}, [pod(0), pod(2)], '+1'],
    ['nothing while one ends', {}, [pod(0), pod(1, { ending: true }), pod(2)], ''],
    ['a failed one goes', {}, [pod(0), pod(1, { phase: 'Failed', ready: false }), pod(2)], '-1'],
    ['scaled down from the highest', { replicas: 1 }, [pod(0), pod(1), pod(2)], '-2'],
    ['not while a lower one is not ready', { replicas: 1 }, [pod(0, { ready: false }), pod(1), pod(2)], ''],
    ['updated from the highest', {}, [pod(0, old), pod(1, old), pod(2, old)], '-2'],
    ['then the one before', {}, [pod(0, old), pod(1, old), pod(2)], '-1'],
    ['not while an updated one is not ready', {}, [pod(0, old), pod(1, old), pod(2, { ready: false })], ''],
    [
      'down to the partition',
      { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } },
      [pod(0, old), pod(1, old), pod(2)],
      '',
    ],
    ['by hand', { updateStrategy: { type: 'OnDelete' } }, [pod(0, old), pod(1, old), pod(2, old)], ''],
    [
      'several at once',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 2 } } },
      [pod(0, old), pod(1, old), pod(2, old)],
      '-2-1',
    ],
    ['all at once', { podManagementPolicy: 'Parallel' }, [pod(1, { ready: false })], '+0+2'],
    ['all down at once', { podManagementPolicy: 'Parallel', replicas: 0 }, [pod(0), pod(1, { ready: false })], '-1-0'],
    ['from another first ordinal', { ordinals: { start: 5 }, replicas: 2 }, [pod(5)], '+6'],
    ['available only after a while', { minReadySeconds: 10 }, [pod(0)], ''],
  ];
  for (const [name, spec, mine, expected] of rows) {
    const plan = planStatefulSet(set(spec), { pods: mine, updateRevision: 'new', now: NOW });
    const removed = plan.remove.map((one) => `-${ordinalOf(set(), one)}`);
    assert.equal([...plan.create.map((ordinal) => `+${ordinal}`), ...removed].join(''), expected, name);
  }
});

test('no sequence of failures makes an ordered set exceed what it promises', () => {
  const moves = fc.array(
    fc.record({ at: fc.nat(5), what: fc.constantFrom('ready', 'unready', 'fail', 'lost', 'end', 'scale', 'update') }),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(moves, (steps) => {
      let wanted = set({ replicas: 3 });
      let revision = 'new';
      const world = new Map<number, PodFacts>();
      for (const { at, what } of steps) {
        const mine = [...world].map(([ordinal, facts]) => pod(ordinal, facts));
        const plan = planStatefulSet(wanted, { pods: mine, updateRevision: revision, now: NOW });
        assert.ok(plan.create.length + plan.remove.length <= 1, 'one step at a time');
        for (const ordinal of plan.create) {
          assert.ok(!world.has(ordinal), 'two pods of one name');
          for (let before = 0; before < ordinal; before++)
            assert.ok(world.get(before)?.ready, 'made before its predecessors are ready');
          world.set(ordinal, { ready: false, revision });
        }
        for (const gone of plan.remove)
          world.set(ordinalOf(wanted, gone)!, { ...world.get(ordinalOf(wanted, gone)!), ending: true });
        const one = world.get(at);
        if (what === 'scale') wanted = set({ replicas: at });
        else if (what === 'update') revision = revision === 'new' ? 'newer' : 'new';
        else if (what === 'lost' || (what === 'end' && one?.ending)) world.delete(at);
        else if (one && what === 'fail') world.set(at, { ...one, ready: false, phase: 'Failed' });
        else if (one && one.phase !== 'Failed') world.set(at, { ...one, ready: what === 'ready' });
      }
    }),
  );
});

test('statefulSetStatus() moves on to the newest revision when all pods have it', () => {
  const inputs = { currentRevision: 'old', updateRevision: 'new', collisionCount: 0, now: NOW };
  const mixed = statefulSetStatus(set(), { ...inputs, pods: [pod(0, { revision: 'old' }), pod(1), pod(2)] });
  assert.deepEqual([mixed.currentRevision, mixed.currentReplicas, mixed.updatedReplicas], ['old', 1, 2]);
  const done = statefulSetStatus(set(), { ...inputs, pods: [pod(0), pod(1), pod(2)] });
  assert.deepEqual([done.currentRevision, done.currentReplicas, done.updatedReplicas], ['new', 3, 3]);
});

test('claimOwners() follows the retention policy', () => {
  const policy = (whenDeleted: string, whenScaled: string) =>
    set({ replicas: 1, persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } });
  const kinds = (owner: StatefulSet, ordinal: number) => claimOwners(owner, pod(ordinal)).map(({ kind }) => kind);
  assert.deepEqual(kinds(policy('Retain', 'Retain'), 1), []);
  assert.deepEqual(kinds(policy('Delete', 'Retain'), 1), ['StatefulSet']);
  assert.deepEqual(kinds(policy('Retain', 'Delete'), 0), []);
  assert.deepEqual(kinds(policy('Retain', 'Delete'), 1), ['Pod']);
  assert.deepEqual(kinds(policy('Delete', 'Delete'), 0), ['StatefulSet']);
});

function web(spec: object = {}) {
  return {
    metadata: KEY,
    spec: {
      replicas: 3,
      serviceName: 'web',
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx:1' }] } },
      ...spec,
    },
  };
}

async function withCluster(run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  try {
    await cluster.addNode('node-1');
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

function settled({ client, eventually }: TestCluster, look: (set: StatefulSet) => boolean): Promise<StatefulSet> {
  return eventually(async () => {
    const found = await client.get(statefulSets, KEY);
    const { status, metadata, spec } = found;
    const fresh = status?.observedGeneration === metadata.generation && status?.readyReplicas === spec?.replicas;
    return fresh && status?.replicas === spec?.replicas && look(found) ? found : undefined;
  });
}

test('a StatefulSet makes its pods in order, with names, claims and a revision', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    const made: string[] = [];
    cluster.informers.of(pods).subscribe(({ type, object }) => type === 'added' && made.push(object.metadata.name));
    const template = {
      metadata: { name: 'www' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
    };
    const volumeMounts = [{ name: 'www', mountPath: '/data' }];
    const podSpec = { containers: [{ name: 'web', image: 'nginx:1', volumeMounts }] };
    const spec = {
      volumeClaimTemplates: [template],
      template: { metadata: { labels: { app: 'web' } }, spec: podSpec },
    };
    await client.create(statefulSets, web(spec) as never);
    await cluster.eventually(() => (made.length > 0 ? true : undefined));
    const first = await client.get(pods, { name: 'web-0', namespace: 'default' });
    assert.deepEqual([first.spec?.hostname, first.spec?.subdomain], ['web-0', 'web']);
    assert.equal(first.metadata.labels?.['apps.kubernetes.io/pod-index'], '0');
    assert.deepEqual(first.spec?.volumes?.[0], { name: 'www', persistentVolumeClaim: { claimName: 'www-web-0' } });
    const claim = await client.get(persistentVolumeClaims, { name: 'www-web-0', namespace: 'default' });
    assert.deepEqual(claim.metadata.labels, { app: 'web' });
  }));

test('an update goes from the last pod to the first, stops at the partition, and goes back', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    await client.create(statefulSets, web());
    const begun = await settled(cluster, () => true);
    const patch = (spec: object) => client.patch(statefulSets, KEY, { type: 'strategic', body: { spec } });
    const image = (name: string) => ({ template: { spec: { containers: [{ name: 'web', image: name }] } } });
    const images = async () =>
      (await client.list(pods, { namespace: 'default' })).items.map((one) => one.spec?.containers[0]?.image);
    await patch({ ...image('nginx:2'), updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } });
    await settled(cluster, ({ status }) => status?.updatedReplicas === 1);
    assert.deepEqual(await images(), ['nginx:1', 'nginx:1', 'nginx:2']);
    await patch({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } } });
    const updated = await settled(
      cluster,
      ({ status }) => status?.updatedReplicas === 3 && status.currentRevision === status.updateRevision,
    );
    assert.notEqual(updated.status?.currentRevision, begun.status?.currentRevision);
    await patch(image('nginx:1'));
    const back = await settled(
      cluster,
      ({ status }) => status?.currentRevision === begun.status?.currentRevision && status?.updatedReplicas === 3,
    );
    assert.deepEqual(await images(), ['nginx:1', 'nginx:1', 'nginx:1']);
    const revisions = (await client.list(controllerRevisions, { namespace: 'default' })).items;
    assert.deepEqual(
      revisions.map(({ metadata, revision }) => [metadata.name === back.status?.currentRevision, revision]).sort(),
      [
        [false, 2],
        [true, 3],
      ],
    );
  }));

test('a pod that is deleted comes back under its name', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    await client.create(statefulSets, web({ podManagementPolicy: 'Parallel' }));
    await settled(cluster, () => true);
    const key = { name: 'web-1', namespace: 'default' };
    const { uid } = (await client.get(pods, key)).metadata;
    await client.delete(pods, key);
    await cluster.eventually(async () => {
      const found = await client.get(pods, key).catch(() => undefined);
      return found && found.metadata.uid !== uid ? true : undefined;
    });
    await settled(cluster, () => true);
  }));

test('a StatefulSet’s identity can not be changed', () =>
  withCluster(async ({ client, request }) => {
    await client.create(statefulSets, web());
    const path = '/apis/apps/v1/namespaces/default/statefulsets/web';
    const answer = await request(
      'PATCH',
      path,
      { spec: { serviceName: 'other' } },
      { 'content-type': 'application/merge-patch+json' },
    );
    assert.equal(answer.status, 422);
    assert.match(
      answer.body.message,
      /^StatefulSet.apps "web" is invalid: spec: Forbidden: updates to statefulset spec for fields other than/,
    );
  }));
