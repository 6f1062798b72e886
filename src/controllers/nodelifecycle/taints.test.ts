import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../api/types.ts';
import { unknownConditions, wantedTaints } from './taints.ts';

const NOW = '2026-01-01T00:00:00Z';

function node(conditions: object[], spec: object = {}): Node {
  return { metadata: { name: 'n' }, spec, status: { conditions } } as unknown as Node;
}

test('wantedTaints() says what keeps pods off a node', () => {
  const rows: [object[], object, string, string[]][] = [
    [[], {}, 'True', []],
    [[], {}, 'False', ['not-ready:NoSchedule', 'not-ready:NoExecute']],
    [[], {}, 'Unknown', ['unreachable:NoSchedule', 'unreachable:NoExecute']],
    [[{ type: 'MemoryPressure', status: 'True' }], {}, 'True', ['memory-pressure:NoSchedule']],
    [[{ type: 'DiskPressure', status: 'False' }], {}, 'True', []],
    [[], { unschedulable: true }, 'True', ['unschedulable:NoSchedule']],
    [[], { taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] }, 'True', []],
  ];
  for (const [conditions, spec, ready, expected] of rows) {
    const taints = wantedTaints(node(conditions, spec), { ready, now: NOW });
    assert.deepEqual(
      taints.map(({ key, effect }) => `${key.split('/')[1]}:${effect}`),
      expected,
    );
  }
  const own = { key: 'gpu', effect: 'NoSchedule' };
  assert.deepEqual(wantedTaints(node([], { taints: [own] }), { ready: 'True', now: NOW }), [own]);
  const old = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: 'before' };
  assert.equal(wantedTaints(node([], { taints: [old] }), { ready: 'Unknown', now: NOW }).at(-1)!.timeAdded, 'before');
});

test('unknownConditions() doubts all that a node says of itself', () => {
  const told = (conditions: object[]) =>
    unknownConditions(node(conditions), NOW).map(({ type, reason }) => `${type}:${reason}`);
  assert.deepEqual(told([{ type: 'Ready' }, { type: 'DiskPressure' }]), [
    'Ready:NodeStatusUnknown',
    'DiskPressure:NodeStatusUnknown',
  ]);
  assert.deepEqual(told([]), ['Ready:NodeStatusNeverUpdated']);
});
