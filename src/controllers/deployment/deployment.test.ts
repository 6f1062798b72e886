import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployments } from '../../api/kinds/deployment.ts';
import { events } from '../../api/kinds/event.ts';
import { pods } from '../../api/kinds/pod.ts';
import { replicaSets } from '../../api/kinds/replicaset.ts';
import type { Deployment, ReplicaSet } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { newSet, nextRevision, setAnnotations, templateHash } from './sets.ts';
import { deploymentStatus } from './status.ts';

const KEY = { name: 'web', namespace: 'default' };
const REVISION = 'deployment.kubernetes.io/revision';

function web(spec: object = {}, image = 'nginx:1') {
  return {
    metadata: KEY,
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image }] } },
      ...spec,
    },
  };
}

interface Play {
  cluster: TestCluster;
  patch(spec: object): Promise<Deployment>;
  sets(): Promise<ReplicaSet[]>;
  /** Resolves when the Deployment looks so. */
  when(look: (deployment: Deployment) => boolean): Promise<Deployment>;
}

async function play(run: (play: Play) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  const { client, eventually } = cluster;
  try {
    await cluster.addNode('node-1');
    await run({
      cluster,
      patch: (spec) => client.patch(deployments, KEY, { type: 'strategic', body: { spec } }),
      sets: async () => (await client.list(replicaSets, { namespace: 'default' })).items,
      when: (look) =>
        eventually(async () => {
          const found = await client.get(deployments, KEY);
          return look(found) ? found : undefined;
        }),
    });
  } finally {
    cluster.stop();
  }
}

const image = (name: string) => ({ template: { spec: { containers: [{ name: 'web', image: name }] } } });
const condition = (deployment: Deployment, type: string) =>
  deployment.status?.conditions?.find((candidate) => candidate.type === type);
const isDone = ({ status, spec }: Deployment) =>
  status?.updatedReplicas === spec?.replicas &&
  status?.availableReplicas === spec?.replicas &&
  !status?.unavailableReplicas;

test('revisions are counted, remembered, and come back with an old template', () =>
  play(async ({ cluster, patch, sets, when }) => {
    await cluster.client.create(deployments, web());
    await when(isDone);
    await patch(image('nginx:2'));
    await when((d) => d.metadata.annotations?.[REVISION] === '2' && isDone(d));
    await patch(image('nginx:1'));
    await when((d) => d.metadata.annotations?.[REVISION] === '3' && isDone(d));
    const told = (await sets()).map(({ metadata, spec }) => [
      spec?.template?.spec?.containers[0]?.image,
      metadata.annotations?.[REVISION],
      metadata.annotations?.['deployment.kubernetes.io/revision-history'],
    ]);
    assert.deepEqual(told.sort(), [
      ['nginx:1', '3', '1'],
      ['nginx:2', '2', undefined],
    ]);
  }));

test('revisionHistoryLimit keeps the newest empty sets', () =>
  play(async ({ cluster, patch, sets, when }) => {
    await cluster.client.create(deployments, web({ revisionHistoryLimit: 1 }));
    for (const name of ['nginx:1', 'nginx:2', 'nginx:3', 'nginx:4']) {
      await patch(image(name));
      await when((d) => d.metadata.annotations?.[REVISION] === name.at(-1) && isDone(d));
    }
    await cluster.eventually(async () => ((await sets()).length === 2 ? true : undefined));
    const left = (await sets()).map((set) => set.metadata.annotations?.[REVISION]).sort();
    assert.deepEqual(left, ['3', '4']);
  }));

test('a paused Deployment is scaled and changes no template until it is resumed', () =>
  play(async ({ cluster, patch, sets, when }) => {
    await cluster.client.create(deployments, web());
    await when(isDone);
    await patch({ paused: true, replicas: 3, ...image('nginx:2') });
    const paused = await when(
      (d) => condition(d, 'Progressing')?.reason === 'DeploymentPaused' && d.status?.availableReplicas === 3,
    );
    assert.equal(condition(paused, 'Progressing')?.status, 'Unknown');
    assert.equal((await sets()).length, 1);
    await patch({ paused: false });
    await when((d) => d.metadata.annotations?.[REVISION] === '2' && isDone(d));
  }));

test('a rollout that stands still is said to be late, and recovers', () => {
  const start = Date.UTC(2026, 0, 1);
  const lastUpdateTime = new Date(start).toISOString();
  const current = {
    metadata: { name: 'web-1' },
    spec: { replicas: 2 },
    status: { replicas: 2 },
  } as unknown as ReplicaSet;
  const before = {
    type: 'Progressing',
    status: 'True',
    reason: 'ReplicaSetUpdated',
    lastUpdateTime,
    lastTransitionTime: lastUpdateTime,
  };
  const status = { replicas: 2, updatedReplicas: 2, conditions: [before] };
  const deployment = {
    metadata: KEY,
    spec: { replicas: 2, progressDeadlineSeconds: 60 },
    status,
  } as unknown as Deployment;
  const told = (seconds: number, set = current) =>
    deploymentStatus(deployment, { current: set, others: [], now: start + seconds * 1000 }).conditions?.find(
      ({ type }) => type === 'Progressing',
    );
  assert.equal(told(59)?.reason, 'ReplicaSetUpdated');
  const late = told(61);
  assert.deepEqual(
    [late?.status, late?.reason, late?.message],
    ['False', 'ProgressDeadlineExceeded', 'ReplicaSet "web-1" has timed out progressing.'],
  );
  const available = { ...current, status: { replicas: 2, readyReplicas: 2, availableReplicas: 2 } };
  assert.deepEqual([told(61, available)?.status, told(61, available)?.reason], ['True', 'NewReplicaSetAvailable']);
});

test('Recreate ends all old pods before the first new one begins', () =>
  play(async ({ cluster, patch, when }) => {
    await cluster.client.create(deployments, web({ strategy: { type: 'Recreate' } }));
    await when(isDone);
    let together = false;
    cluster.informers.of(pods).subscribe(() => {
      const images = cluster.informers
        .of(pods)
        .list('default')
        .map((pod) => pod.spec?.containers[0]?.image);
      together ||= new Set(images).size > 1;
    });
    await patch(image('nginx:2'));
    await when((d) => d.metadata.annotations?.[REVISION] === '2' && isDone(d));
    assert.equal(together, false);
  }));

test('a name that is taken by a stranger asks for another hash', () =>
  play(async ({ cluster, sets, when }) => {
    const { client } = cluster;
    const wanted = await client.create(deployments, web({ paused: true }));
    const stranger = newSet(wanted, { replicas: 0, annotations: {} });
    delete stranger.metadata.ownerReferences;
    stranger.spec!.template!.metadata!.labels = { app: 'other' };
    stranger.spec!.selector = { matchLabels: { app: 'other' } };
    stranger.metadata.labels = { app: 'other' };
    await client.create(replicaSets, stranger);
    await client.patch(deployments, KEY, { type: 'merge', body: { spec: { paused: false } } });
    const done = await when(isDone);
    assert.equal(done.status?.collisionCount, 1);
    assert.equal((await sets()).length, 2);
  }));

test('an orphaned ReplicaSet is taken in again', () =>
  play(async ({ cluster, sets, when }) => {
    const { client } = cluster;
    await client.create(deployments, web());
    await when(isDone);
    const uids = (await sets()).map((set) => set.metadata.uid);
    await client.delete(deployments, KEY, { propagationPolicy: 'Orphan' });
    await cluster.eventually(async () =>
      (await sets()).every((set) => !set.metadata.ownerReferences) ? true : undefined,
    );
    await cluster.eventually(() => client.create(deployments, web()).catch(() => undefined));
    await when(isDone);
    await cluster.eventually(async () =>
      (await sets()).every((set) => set.metadata.ownerReferences) ? true : undefined,
    );
    assert.deepEqual(
      (await sets()).map((set) => set.metadata.uid),
      uids,
    );
  }));

test('what scales is told in events, with both sizes', () =>
  play(async ({ cluster, when }) => {
    await cluster.client.create(deployments, web());
    await when(isDone);
    const found = await cluster.eventually(async () => {
      const { items } = await cluster.client.list(events, { namespace: 'default' });
      return items.find((event) => event.reason === 'ScalingReplicaSet');
    });
    assert.match(found.message!, /^Scaled up replica set web-\w{10} from 0 to 2$/);
  }));

test('setAnnotations() copies what is the Deployment’s own and keeps the revisions of before', () => {
  const deployment = {
    metadata: {
      name: 'web',
      annotations: { team: 'a', [REVISION]: '1', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    },
  } as unknown as Deployment;
  assert.deepEqual(setAnnotations(deployment, { revision: 1 }), { team: 'a', [REVISION]: '1' });
  const old = { [REVISION]: '3', 'deployment.kubernetes.io/revision-history': '1' };
  assert.deepEqual(setAnnotations(deployment, { old, revision: 5 }), {
    team: 'a',
    [REVISION]: '5',
    'deployment.kubernetes.io/revision-history': '1,3',
  });
  assert.equal(nextRevision([]), 1);
});

test('templateHash() depends on the template and on collisions, not on the order of keys', () => {
  const of = (template: object, collisionCount?: number) =>
    templateHash({ spec: { template }, status: { collisionCount } } as unknown as Deployment);
  assert.equal(of({ a: 1, b: 2 }), of({ b: 2, a: 1 }));
  assert.notEqual(of({ a: 1 }), of({ a: 2 }));
  assert.notEqual(of({ a: 1 }), of({ a: 1 }, 1));
  assert.match(of({ a: 1 }), /^[a-z0-9]{10}$/);
});
