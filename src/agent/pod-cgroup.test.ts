import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/types.ts';
import { podCgroupSettings, weightOf } from './pod-cgroup.ts';

const container = (requests: object, limits: object = {}, more: object = {}) => ({
  name: 'c',
  resources: { requests, limits },
  ...more,
});

test('podCgroupSettings() gives a pod what its containers have together', () => {
  const both = { cpu: '500m', memory: '64Mi' };
  const rows: [string, object[], object[], string[]][] = [
    ['nothing asked', [container({})], [], ['cpu.shares 2']],
    ['requests', [container({ cpu: '250m' }), container({ cpu: '1' })], [], ['cpu.shares 1280']],
    [
      'limits',
      [container({}, both), container({}, both)],
      [],
      [
        'cpu.shares 1024',
        'cpu.cfs_period_us 100000',
        'cpu.cfs_quota_us 100000',
        `memory.limit_in_bytes ${128 * 2 ** 20}`,
      ],
    ],
    ['one without a limit', [container({}, both), container({})], [], ['cpu.shares 512']],
    ['init container', [container({ cpu: '100m' })], [container({ cpu: '1' })], ['cpu.shares 1024']],
    [
      'sidecar',
      [container({ cpu: '100m' })],
      [container({ cpu: '1' }, {}, { restartPolicy: 'Always' })],
      ['cpu.shares 1126'],
    ],
  ];
  for (const [name, containers, initContainers, expected] of rows) {
    const pod = { spec: { containers, initContainers } } as unknown as Pod;
    assert.deepEqual(
      podCgroupSettings(pod, 1).map(({ file, value }) => `${file} ${value}`),
      expected,
      name,
    );
  }
  const pod = { spec: { containers: [container({}, both)] } } as unknown as Pod;
  const second = podCgroupSettings(pod, 2).map(({ file, value }) => `${file} ${value}`);
  assert.deepEqual(second, ['cpu.weight 20', 'cpu.max 50000 100000', `memory.max ${64 * 2 ** 20}`]);
  assert.deepEqual([2, 1024, 262_144].map(weightOf), [1, 39, 10_000]);
});
