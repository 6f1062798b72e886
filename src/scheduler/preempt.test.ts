import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../api/types.ts';
import { createFilter } from './filters.ts';
import { type Budget, findPreemption } from './preempt.ts';
import { info, node, type PodOptions, pod, stateOf } from './scheduler.fixture.ts';

function preempt(wanted: PodOptions, nodes: readonly Node[], pods: readonly Pod[], budgets: readonly Budget[] = []) {
  const state = stateOf(nodes, pods);
  const wantedInfo = info('p', wanted);
  const filter = createFilter(wantedInfo, state);
  const misfits = new Map(state.nodes().map((at) => [at, filter(at)!]));
  const found = findPreemption({ info: wantedInfo, state, misfits, budgets });
  const there = state.nodes().flatMap((at) => [...at.pods.keys()].map((uid) => `${uid} ${at.name}`));
  assert.deepEqual(there.sort(), pods.map(({ metadata, spec }) => `${metadata.uid} ${spec!.nodeName}`).sort());
  return 'message' in found ? found.message : `${found.node}: ${found.victims.map(({ uid }) => uid).sort()}`;
}

test('findPreemption() ends as little as possible, and restores the state', () => {
  const [a, b] = [node('a'), node('b')];
  const small = (name: string, at: string, priority: number, startTime = '2026-01-01T00:00:00Z') =>
    pod(name, { node: at, priority, requests: { cpu: '1' }, startTime });
  const keep = (...uids: string[]): Budget => ({ allowed: 0, covers: ({ uid }) => uids.includes(uid) });
  const wanted = { priority: 10, requests: { cpu: '1' } };
  const tainted = node('t', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } });
  const rows: [string, PodOptions, Node[], Pod[], Budget[], string][] = [
    ['the least important', wanted, [a], [small('x', 'a', 1), small('y', 'a', 0)], [], 'a: y'],
    [
      'both, when both must go',
      { ...wanted, requests: { cpu: '2' } },
      [a],
      [small('x', 'a', 1), small('y', 'a', 0)],
      [],
      'a: x,y',
    ],
    [
      'the node whose victim matters least',
      wanted,
      [a, b],
      [small('x', 'a', 5), small('y', 'a', 9), small('u', 'b', 4), small('v', 'b', 9)],
      [],
      'b: u',
    ],
    [
      'fewer victims',
      { ...wanted, requests: { cpu: '2' } },
      [a, b],
      [small('x', 'a', 1), small('y', 'a', 1), pod('u', { node: 'b', priority: 1, requests: { cpu: '2' } })],
      [],
      'b: u',
    ],
    [
      'the one that has run for less',
      wanted,
      [a],
      [small('x', 'a', 1, '2026-01-01T00:00:00Z'), small('y', 'a', 1, '2026-01-02T00:00:00Z')],
      [],
      'a: y',
    ],
    ['not what a budget keeps', wanted, [a], [small('x', 'a', 1), small('y', 'a', 0)], [keep('y')], 'a: x'],
    [
      'what a budget keeps, if there is no other way',
      wanted,
      [a],
      [small('x', 'a', 1), small('y', 'a', 0)],
      [keep('x', 'y')],
      'a: y',
    ],
    [
      'the node without a budget',
      wanted,
      [a, b],
      [small('x', 'a', 0), small('y', 'a', 9), small('u', 'b', 5), small('v', 'b', 9)],
      [keep('x', 'y')],
      'b: u',
    ],
    [
      'nobody as important',
      wanted,
      [a],
      [small('x', 'a', 10), small('y', 'a', 11)],
      [],
      '0/1 nodes are available: 1 No preemption victims found for incoming pod.',
    ],
    [
      'nobody where it can not be',
      wanted,
      [tainted, a],
      [small('x', 'a', 10), small('y', 'a', 10), small('z', 't', 0)],
      [],
      '0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.',
    ],
    [
      'nobody when it is too large',
      { ...wanted, requests: { cpu: '3' } },
      [a],
      [small('x', 'a', 0)],
      [],
      '0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
    ],
    [
      'nobody when more important ones are in the way',
      { ...wanted, requests: { cpu: '2' } },
      [a],
      [small('x', 'a', 10), small('y', 'a', 0)],
      [],
      '0/1 nodes are available: 1 Insufficient cpu.',
    ],
    [
      'nobody by policy',
      { ...wanted, preemptionPolicy: 'Never' },
      [a],
      [small('x', 'a', 0)],
      [],
      'not eligible due to preemptionPolicy=Never.',
    ],
  ];
  for (const [name, spec, nodes, pods, budgets, expected] of rows) {
    assert.equal(preempt(spec, nodes, pods, budgets), expected, name);
  }
});
