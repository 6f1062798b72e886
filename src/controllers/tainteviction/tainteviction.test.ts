import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodes } from '../../api/kinds/node.ts';
import { pods } from '../../api/kinds/pod.ts';
import type { Pod } from '../../api/types.ts';
import { FakeClock } from '../../testing/clock.ts';
import { startTestCluster } from '../../testing/cluster.ts';
import { evictionTime } from './time.ts';

test('evictionTime() follows tolerations', () => {
  const taint = { key: 'a', effect: 'NoExecute' as const };
  const rows: [object[], number][] = [
    [[], 0],
    [[{ key: 'b', operator: 'Exists' }], 0],
    [[{ key: 'a', operator: 'Exists' }], Infinity],
    [[{ operator: 'Exists' }], Infinity],
    [[{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }], 0],
    [[{ key: 'a', operator: 'Exists', tolerationSeconds: 30 }], 31_000],
    [
      [
        { key: 'a', operator: 'Exists', tolerationSeconds: 30 },
        { operator: 'Exists', tolerationSeconds: 10 },
      ],
      11_000,
    ],
    [[{ key: 'a', operator: 'Exists', tolerationSeconds: -5 }], 1000],
  ];
  for (const [tolerations, expected] of rows) {
    assert.equal(
      evictionTime({ spec: { tolerations } } as unknown as Pod, [taint], () => 1000),
      expected,
    );
  }
});

test('a taint of an operator ends pods at once or later, and not those that bear it', async () => {
  const clock = new FakeClock();
  const { client, addNode, eventually, stop } = await startTestCluster({ clock });
  try {
    await addNode('node-1');
    const pod = (name: string, tolerations: object[]) =>
      client.create(pods, {
        metadata: { name, namespace: 'default' },
        spec: { containers: [{ name: 'c', image: 'i' }], tolerations },
      } as never);
    await pod('plain', []);
    await pod('later', [{ key: 'repair', operator: 'Exists', tolerationSeconds: 20 }]);
    await pod('stays', [{ key: 'repair', operator: 'Exists' }]);
    const names = async () => (await client.list(pods)).items.map(({ metadata }) => metadata.name).join();
    await eventually(async () =>
      (await client.list(pods)).items.every(({ status }) => status?.podIP) ? true : undefined,
    );
    const taints = [{ key: 'repair', effect: 'NoExecute' }];
    await client.patch(nodes, { name: 'node-1' }, { type: 'merge', body: { spec: { taints } } });
    await eventually(async () => ((await names()) === 'later,stays' ? true : undefined));
    clock.advance(21_000);
    await eventually(async () => ((await names()) === 'stays' ? true : undefined));
  } finally {
    stop();
  }
});

test('pods of a node that is gone go, and are said to have failed', async () => {
  const { client, addNode, informers, eventually, stop } = await startTestCluster();
  try {
    await addNode('node-1');
    await client.create(pods, {
      metadata: { name: 'p', namespace: 'default' },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    await eventually(async () => ((await client.list(pods)).items[0]?.status?.podIP ? true : undefined));
    let last: Pod | undefined;
    informers.of(pods).subscribe(({ type, object }) => {
      if (type === 'deleted') last = object;
    });
    await client.delete(nodes, { name: 'node-1' });
    await eventually(async () => ((await client.list(pods)).items.length === 0 ? true : undefined));
    await eventually(() => last);
    assert.equal(last?.status?.phase, 'Failed');
    assert.ok(last.status.conditions?.some(({ reason }) => reason === 'DeletionByPodGC'));
  } finally {
    stop();
  }
});
