import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../api/types.ts';
import { chooseNode } from './choose.ts';
import { misfit, usageOf } from './fit.ts';

function node(name: string, changes: Partial<Node> = {}): Node {
  const status = { allocatable: { cpu: '2', memory: '4Gi', pods: '3' } };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { zone: name } },
    spec: {},
    status,
    ...changes,
  } as Node;
}

function pod(
  name: string,
  options: { node?: string; owner?: string; spec?: object; requests?: Record<string, string> } = {},
): Pod {
  const ownerReferences = options.owner
    ? [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: options.owner, uid: options.owner, controller: true }]
    : [];
  const containers = [{ name: 'c', image: 'i', resources: { requests: options.requests ?? {} } }];
  const spec = { containers, nodeName: options.node, ...options.spec };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', ownerReferences }, spec } as Pod;
}

const TAINT = { key: 'dedicated', value: 'x', effect: 'NoSchedule' as const };

test('misfit() says why a pod can not run on a node', () => {
  const rows: [string, Pod, Node, Pod[], string | undefined][] = [
    ['room', pod('p'), node('a'), [], undefined],
    ['cordoned', pod('p'), node('a', { spec: { unschedulable: true } }), [], 'node(s) were unschedulable'],
    ['tainted', pod('p'), node('a', { spec: { taints: [TAINT] } }), [], 'node(s) had untolerated taint {dedicated: x}'],
    [
      'tolerated',
      pod('p', { spec: { tolerations: [{ key: 'dedicated', value: 'x' }] } }),
      node('a', { spec: { taints: [TAINT] } }),
      [],
      undefined,
    ],
    [
      'selector',
      pod('p', { spec: { nodeSelector: { zone: 'b' } } }),
      node('a'),
      [],
      "node(s) didn't match Pod's node affinity/selector",
    ],
    [
      'cpu',
      pod('p', { requests: { cpu: '1500m' } }),
      node('a'),
      [pod('q', { requests: { cpu: '600m' } })],
      'Insufficient cpu',
    ],
    ['memory', pod('p', { requests: { memory: '5Gi' } }), node('a'), [], 'Insufficient memory'],
    ['pods', pod('p'), node('a'), [pod('1'), pod('2'), pod('3')], 'Too many pods'],
  ];
  for (const [name, wanted, at, there, reason] of rows) assert.equal(misfit(wanted, at, usageOf(there)), reason, name);
});

test('chooseNode() spreads the pods of an owner', () => {
  const nodes = ['a', 'b', 'c'].map((name) => node(name));
  const bound = [
    pod('1', { node: 'a', owner: 'web' }),
    pod('2', { node: 'b', owner: 'web' }),
    pod('3', { node: 'c', owner: 'other' }),
  ];
  const choice = chooseNode({ pod: pod('4', { owner: 'web' }), nodes, bound, random: () => 0 });
  assert.deepEqual(choice, { node: 'c' });
});

test('chooseNode() counts the reasons when nothing fits', () => {
  const nodes = [node('a', { spec: { unschedulable: true } }), node('b'), node('c')];
  const choice = chooseNode({ pod: pod('p', { requests: { cpu: '3' } }), nodes, bound: [], random: () => 0 });
  assert.ok('message' in choice);
  assert.match(
    choice.message,
    /^0\/3 nodes are available: 1 node\(s\) were unschedulable, 2 Insufficient cpu\. preemption: 0\/3/,
  );
});
