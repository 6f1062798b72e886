import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Node, Pod } from '../api/types.ts';
import { chooseNode, type Nomination } from './choose.ts';
import { info, node, type PodOptions, pod, stateOf } from './scheduler.fixture.ts';

interface Setting {
  nodes: readonly Node[];
  pods?: readonly Pod[];
  nominations?: readonly Nomination[];
  services?: readonly Record<string, string>[];
}

function choose(wanted: PodOptions, { nodes, pods = [], nominations = [], services = [] }: Setting) {
  const state = stateOf(nodes, pods, { serviceSelectors: () => services });
  const choice = chooseNode({ info: info('p', wanted), state, nominations, random: () => 0 });
  return 'node' in choice ? choice.node : choice.message;
}

test('chooseNode() prefers', () => {
  const abc = ['a', 'b', 'c'].map((name) => node(name, { allocatable: { pods: '110' } }));
  const preferred = (weight: number, key: string) => ({
    weight,
    preference: { matchExpressions: [{ key, operator: 'Exists' }] },
  });
  const podTerm = (app: string) => ({
    weight: 100,
    podAffinityTerm: { labelSelector: { matchLabels: { app } }, topologyKey: 'kubernetes.io/hostname' },
  });
  const web = { app: 'web' };
  const rows: [string, PodOptions, Setting, string][] = [
    [
      'the node without a sibling',
      { owner: 'web' },
      {
        nodes: abc,
        pods: [
          pod('1', { node: 'a', owner: 'web' }),
          pod('2', { node: 'b', owner: 'web' }),
          pod('3', { node: 'c', owner: 'other' }),
        ],
      },
      'c',
    ],
    [
      'the node without a pod of the same Service',
      { labels: web },
      {
        nodes: abc,
        services: [web],
        pods: [pod('1', { node: 'a', labels: web }), pod('2', { node: 'c', labels: web }), pod('3', { node: 'b' })],
      },
      'b',
    ],
    [
      'the free node',
      {},
      {
        nodes: abc,
        pods: [pod('1', { node: 'a', requests: { cpu: '1' } }), pod('2', { node: 'c', requests: { cpu: '500m' } })],
      },
      'b',
    ],
    [
      'no taint over a taint',
      {},
      {
        nodes: [
          node('a', { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } }),
          node('b', {}),
          node('c', { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } }),
        ],
      },
      'b',
    ],
    [
      'the heavier preference',
      {
        affinity: {
          nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [preferred(10, 'x'), preferred(80, 'y')] },
        },
      },
      { nodes: [node('a', { labels: { x: '' } }), node('b', { labels: { y: '' } }), node('c')] },
      'b',
    ],
    [
      'company',
      { affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [podTerm('db')] } } },
      { nodes: abc, pods: [pod('db', { node: 'b', labels: { app: 'db' } })] },
      'b',
    ],
    [
      'distance, when another wants it',
      { labels: web },
      {
        nodes: [abc[0]!, abc[1]!],
        pods: [
          pod('db', {
            node: 'a',
            affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [podTerm('web')] } },
          }),
          pod('x', { node: 'b' }),
        ],
      },
      'b',
    ],
    [
      'even zones',
      {
        labels: web,
        topologySpreadConstraints: [
          { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels: web } },
        ],
      },
      {
        nodes: [
          node('a', { labels: { zone: '1' } }),
          node('b', { labels: { zone: '1' } }),
          node('c', { labels: { zone: '2' } }),
        ],
        pods: [pod('1', { node: 'a', labels: web }), pod('2', { node: 'c' })],
      },
      'c',
    ],
  ];
  for (const [name, wanted, setting, expected] of rows) assert.equal(choose(wanted, setting), expected, name);
});

test('chooseNode() counts the reasons when nothing fits', () => {
  const byName = (name: string) => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }],
        },
      },
    },
  });
  const rows: [string, PodOptions, Setting, string][] = [
    [
      'several',
      { requests: { cpu: '3', memory: '1Ti' } },
      { nodes: [node('a', { spec: { unschedulable: true } }), node('b'), node('c')] },
      '0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu, 2 Insufficient memory.',
    ],
    ['no nodes', {}, { nodes: [] }, '0/0 nodes are available: no nodes available to schedule pods.'],
    [
      'one node by its name',
      { ...byName('a'), requests: { cpu: '3' } },
      { nodes: [node('a'), node('b'), node('c')] },
      "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
    ],
    [
      'room that is kept for another',
      { requests: { cpu: '1500m' } },
      { nodes: [node('a')], nominations: [{ info: info('n', { requests: { cpu: '1' }, priority: 10 }), node: 'a' }] },
      '0/1 nodes are available: 1 Insufficient cpu.',
    ],
  ];
  for (const [name, wanted, setting, expected] of rows) assert.equal(choose(wanted, setting), expected, name);
  const important = { requests: { cpu: '1500m' }, priority: 20 };
  const nominations = [{ info: info('n', { requests: { cpu: '1' }, priority: 10 }), node: 'a' }];
  assert.equal(choose(important, { nodes: [node('a')], nominations }), 'a');
});

test('tallies that are kept current say the same as those that are counted anew', () => {
  const names = ['a', 'b', 'c'];
  const step = fc.record({
    pod: fc.nat(7),
    at: fc.constantFrom(...names),
    app: fc.constantFrom('web', 'db'),
    remove: fc.boolean(),
  });
  const query = info('q', {
    affinity: {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'zone' },
        ],
      },
    },
  }).affinity[0]!.query;
  const counts = (state: ReturnType<typeof stateOf>) =>
    [...state.tally(query, { withEnding: true }).counts].map(([at, count]) => `${at.name} ${count}`).sort();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const kept = stateOf(names.map((name) => node(name)));
      const last = new Map<string, Pod>();
      counts(kept);
      for (const { pod: index, at, app, remove } of steps) {
        const name = `p${index}`;
        if (remove) kept.removePod(name);
        else kept.addPod(info(name, { labels: { app } }), at);
        if (remove) last.delete(name);
        else last.set(name, pod(name, { labels: { app }, node: at }));
      }
      const fresh = stateOf(
        names.map((name) => node(name)),
        [...last.values()],
      );
      assert.deepEqual(counts(kept), counts(fresh));
      assert.deepEqual(
        kept.nodes().map(({ pods }) => pods.size),
        fresh.nodes().map(({ pods }) => pods.size),
      );
    }),
  );
});
