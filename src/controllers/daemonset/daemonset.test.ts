import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerRevisions } from '../../api/kinds/controllerrevision.ts';
import { daemonSets } from '../../api/kinds/daemonset.ts';
import { nodes } from '../../api/kinds/node.ts';
import { pods } from '../../api/kinds/pod.ts';
import type { DaemonSet, Node, Pod } from '../../api/types.ts';
import { FakeClock } from '../../testing/clock.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { daemonSetStatus, planDaemonSet } from './plan.ts';
import { daemonPod, nodeOf, placement } from './pod.ts';

const NOW = Date.UTC(2026, 0, 1);
const KEY = { name: 'log', namespace: 'default' };
const TEMPLATE = { metadata: { labels: { app: 'log' } }, spec: { containers: [{ name: 'log', image: 'log:1' }] } };

function set(rolling?: object, podSpec: object = {}, spec: object = {}): DaemonSet {
  const template = { ...TEMPLATE, spec: { ...TEMPLATE.spec, ...podSpec } };
  const updateStrategy = { type: 'RollingUpdate', rollingUpdate: rolling };
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { ...KEY, uid: 'set' },
    spec: { selector: {}, template, updateStrategy, ...spec },
  } as DaemonSet;
}

function node(name: string, spec: object = {}, labels: object = {}): Node {
  return { metadata: { name, labels }, spec } as unknown as Node;
}

interface PodFacts {
  hash?: string;
  ready?: boolean;
  ending?: boolean;
  phase?: string;
}

function pod(
  name: string,
  on: string,
  { hash = 'new', ready = true, ending = false, phase = 'Running' }: PodFacts = {},
): Pod {
  const conditions = [
    { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: new Date(NOW).toISOString() },
  ];
  return {
    metadata: {
      name,
      uid: name,
      labels: { 'controller-revision-hash': hash },
      creationTimestamp: new Date(NOW).toISOString(),
      ...(ending ? { deletionTimestamp: new Date(NOW).toISOString() } : {}),
    },
    spec: { nodeName: on },
    status: { phase, conditions },
  } as unknown as Pod;
}

test('placement() follows selectors, affinity, taints and what daemons tolerate', () => {
  const taint = (key: string, effect: string) => ({ taints: [{ key, effect }] });
  const rows: [string, object, Node, boolean, boolean][] = [
    ['plain', {}, node('a'), true, true],
    ['selector', { nodeSelector: { disk: 'ssd' } }, node('a'), false, false],
    ['selector that fits', { nodeSelector: { disk: 'ssd' } }, node('a', {}, { disk: 'ssd' }), true, true],
    ['cordoned', {}, node('a', { unschedulable: true }), true, true],
    ['not ready', {}, node('a', taint('node.kubernetes.io/not-ready', 'NoExecute')), true, true],
    ['under pressure', {}, node('a', taint('node.kubernetes.io/memory-pressure', 'NoSchedule')), true, true],
    ['reserved', {}, node('a', taint('gpu', 'NoSchedule')), false, true],
    ['emptied', {}, node('a', taint('gpu', 'NoExecute')), false, false],
    ['preferred elsewhere', {}, node('a', taint('gpu', 'PreferNoSchedule')), true, true],
    ['tolerating', { tolerations: [{ operator: 'Exists' }] }, node('a', taint('gpu', 'NoExecute')), true, true],
    ['of one node', { nodeName: 'b' }, node('a'), false, false],
  ];
  for (const [name, spec, at, run, stay] of rows) assert.deepEqual(placement(set({}, spec), at), { run, stay }, name);
});

test('daemonPod() is bound to its node by affinity alone, whatever terms the template has', () => {
  const expression = { key: 'disk', operator: 'In', values: ['ssd'] };
  const required = { nodeSelectorTerms: [{ matchExpressions: [expression] }] };
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
  const made = daemonPod(set({}, { affinity }), { node: 'a', hash: 'h' });
  const terms = made.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  assert.deepEqual(terms, [
    { matchExpressions: [expression], matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] },
  ]);
  assert.equal(nodeOf(made as Pod), 'a');
  assert.equal(made.metadata.labels?.['controller-revision-hash'], 'h');
  const tolerated = made.spec?.tolerations?.map(({ key }) => key?.split('/')[1]);
  assert.deepEqual(tolerated, [
    'not-ready',
    'unreachable',
    'disk-pressure',
    'memory-pressure',
    'pid-pressure',
    'unschedulable',
  ]);
});

const THREE = [node('a'), node('b'), node('c')];
const old = { hash: 'old' };

test('planDaemonSet() keeps one pod a node and replaces old ones as the strategy allows', () => {
  const rows: [string, DaemonSet, Pod[], string][] = [
    ['all missing', set(), [], '+a+b+c'],
    ['one ends', set(), [pod('1', 'a', { ending: true }), pod('2', 'b'), pod('3', 'c')], ''],
    ['two on one node', set(), [pod('1', 'a'), pod('2', 'a'), pod('3', 'b'), pod('4', 'c')], '-2'],
    ['one at a time', set(), [pod('1', 'a', old), pod('2', 'b', old), pod('3', 'c', old)], '-1'],
    ['two at a time', set({ maxUnavailable: 2 }), [pod('1', 'a', old), pod('2', 'b', old), pod('3', 'c', old)], '-1-2'],
    ['a share', set({ maxUnavailable: '34%' }), [pod('1', 'a', old), pod('2', 'b', old), pod('3', 'c', old)], '-1-2'],
    [
      'not while another is missing',
      set(),
      [pod('1', 'a', { ready: false }), pod('2', 'b', old), pod('3', 'c', old)],
      '',
    ],
    [
      'what is broken first',
      set(),
      [pod('1', 'a', old), pod('2', 'b', { ...old, ready: false }), pod('3', 'c', old)],
      '-2',
    ],
    [
      'by hand',
      set({}, {}, { updateStrategy: { type: 'OnDelete' } }),
      [pod('1', 'a', old), pod('2', 'b'), pod('3', 'c')],
      '',
    ],
    [
      'beside the old',
      set({ maxSurge: 1, maxUnavailable: 0 }),
      [pod('1', 'a', old), pod('2', 'b', old), pod('3', 'c', old)],
      '+a',
    ],
    [
      'the old goes when the new is there',
      set({ maxSurge: 1, maxUnavailable: 0 }),
      [pod('1', 'a', old), pod('1n', 'a'), pod('2', 'b', old), pod('3', 'c', old)],
      '+b-1',
    ],
    [
      'the old stays until then',
      set({ maxSurge: 1, maxUnavailable: 0 }),
      [pod('1', 'a', old), pod('1n', 'a', { ready: false }), pod('2', 'b', old), pod('3', 'c', old)],
      '',
    ],
  ];
  for (const [name, wanted, mine, expected] of rows) {
    const plan = planDaemonSet(wanted, { nodes: THREE, pods: mine, hash: 'new', now: NOW });
    const text = [...plan.create.map((on) => `+${on}`), ...plan.remove.map(({ metadata }) => `-${metadata.name}`)].join(
      '',
    );
    assert.equal(text, expected, name);
  }
  const gone = planDaemonSet(set({}, { nodeSelector: { x: 'y' } }), {
    nodes: THREE,
    pods: [pod('1', 'a')],
    hash: 'new',
    now: NOW,
  });
  assert.deepEqual(
    gone.remove.map(({ metadata }) => metadata.name),
    ['1'],
    'a node that is no longer chosen',
  );
  const failed = planDaemonSet(set(), {
    nodes: [node('a')],
    pods: [pod('1', 'a', { phase: 'Failed', ready: false })],
    hash: 'new',
    now: NOW,
  });
  assert.deepEqual([failed.create, failed.failed.length], [[], 1]);
});

test('daemonSetStatus() counts nodes, not pods', () => {
  const nodeC = node('c', {}, { x: 'y' });
  const wanted = set({}, { nodeSelector: { x: 'y' } });
  const facts = {
    nodes: [node('a'), nodeC],
    pods: [pod('1', 'a'), pod('2', 'c'), pod('3', 'c')],
    hash: 'new',
    now: NOW,
  };
  const { currentNumberScheduled, numberMisscheduled, desiredNumberScheduled, numberReady } = daemonSetStatus(wanted, {
    ...facts,
    collisionCount: 0,
  });
  assert.deepEqual(
    { currentNumberScheduled, numberMisscheduled, desiredNumberScheduled, numberReady },
    {
      currentNumberScheduled: 1,
      numberMisscheduled: 1,
      desiredNumberScheduled: 1,
      numberReady: 1,
    },
  );
});

const LOG = { metadata: KEY, spec: { selector: { matchLabels: { app: 'log' } }, template: TEMPLATE } };

function settled({ client, eventually }: TestCluster, look: (set: DaemonSet) => boolean): Promise<DaemonSet> {
  return eventually(async () => {
    const found = await client.get(daemonSets, KEY);
    const { status, metadata } = found;
    const fresh =
      status?.observedGeneration === metadata.generation && status?.numberReady === status?.desiredNumberScheduled;
    return fresh && look(found) ? found : undefined;
  });
}

test('every node has one, new nodes get one, and an update reaches them all', async () => {
  const cluster = await startTestCluster();
  const { client } = cluster;
  try {
    await cluster.addNode('node-1');
    await cluster.addNode('node-2');
    await client.create(daemonSets, LOG);
    await settled(cluster, ({ status }) => status?.desiredNumberScheduled === 2);
    await cluster.addNode('node-3');
    await settled(cluster, ({ status }) => status?.desiredNumberScheduled === 3);
    await client.patch(nodes, { name: 'node-3' }, { type: 'merge', body: { spec: { unschedulable: true } } });
    const body = { spec: { template: { spec: { containers: [{ name: 'log', image: 'log:2' }] } } } };
    await client.patch(daemonSets, KEY, { type: 'strategic', body });
    await settled(cluster, ({ status }) => status?.updatedNumberScheduled === 3 && status.numberAvailable === 3);
    const found = (await client.list(pods, { namespace: 'default' })).items.filter(
      (one) => !one.metadata.deletionTimestamp,
    );
    assert.deepEqual(found.map((one) => [one.spec?.nodeName, one.spec?.containers[0]?.image]).sort(), [
      ['node-1', 'log:2'],
      ['node-2', 'log:2'],
      ['node-3', 'log:2'],
    ]);
    const revisions = (await client.list(controllerRevisions, { namespace: 'default' })).items;
    assert.deepEqual(revisions.map(({ revision }) => revision).sort(), [1, 2]);
  } finally {
    cluster.stop();
  }
});

test('a failed daemon is replaced, later and later', async () => {
  const clock = new FakeClock();
  const cluster = await startTestCluster({ clock });
  const { client, eventually } = cluster;
  try {
    await cluster.addNode('node-1');
    await client.create(daemonSets, LOG);
    await settled(cluster, ({ status }) => status?.desiredNumberScheduled === 1);
    const fail = async () => {
      const [{ metadata }] = (await client.list(pods, { namespace: 'default' })).items as [Pod];
      const key = { name: metadata.name, namespace: 'default' };
      await client.patch(pods, key, { type: 'merge', body: { status: { phase: 'Failed' } }, subresource: 'status' });
      return metadata.uid;
    };
    const others = async (uid: string | undefined) => {
      const { items } = await client.list(pods, { namespace: 'default' });
      return items.some(({ metadata, status }) => metadata.uid !== uid && status?.phase === 'Running')
        ? true
        : undefined;
    };
    const first = await fail();
    await eventually(() => others(first));
    const second = await fail();
    await cluster.eventually(async () =>
      (await client.get(daemonSets, KEY)).status?.numberAvailable ? undefined : true,
    );
    assert.equal(await others(second), undefined);
    clock.advance(2000);
    await eventually(() => others(second));
  } finally {
    cluster.stop();
  }
});
