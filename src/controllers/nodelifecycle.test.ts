import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { leases } from '../api/kinds/lease.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import { services } from '../api/kinds/service.ts';
import { microTimestamp } from '../lib/clock.ts';
import { FakeClock } from '../testing/clock.ts';
import { startTestCluster } from '../testing/cluster.ts';
import { wantedTaints } from './nodelifecycle/taints.ts';

const KEY = { name: 'node-1', namespace: 'kube-node-lease' };

test('a node that stops renewing its lease is tainted and its pods leave the endpoints; it is welcome back', async () => {
  const clock = new FakeClock();
  const { client, addNode, eventually, stop } = await startTestCluster({ clock });
  try {
    await addNode('node-1');
    const renewed = () => ({ renewTime: microTimestamp(clock.now()), holderIdentity: 'node-1' });
    await client.create(leases, { metadata: KEY, spec: renewed() });
    const labels = { app: 'web' };
    await client.create(services, {
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: labels, ports: [{ port: 80 }] },
    });
    await client.create(pods, {
      metadata: { name: 'web', namespace: 'default', labels },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    const slice = async () =>
      (await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=web' })).items[0];
    const isReady = async () => (await slice())?.endpoints[0]?.conditions?.ready;
    await eventually(async () => (await isReady()) || undefined);

    clock.advance(60_000);
    const silent = await eventually(async () => {
      const node = await client.get(nodes, { name: 'node-1' });
      return node.spec?.taints?.length === 2 ? node : undefined;
    });
    const ready = silent.status!.conditions!.find((condition) => condition.type === 'Ready');
    assert.deepEqual([ready?.status, ready?.reason], ['Unknown', 'NodeStatusUnknown']);
    assert.deepEqual(
      silent.spec!.taints!.map(({ key, effect }) => `${key}:${effect}`),
      ['node.kubernetes.io/unreachable:NoSchedule', 'node.kubernetes.io/unreachable:NoExecute'],
    );
    await eventually(async () => ((await isReady()) === false ? true : undefined));

    await client.patch(leases, KEY, { type: 'merge', body: { spec: renewed() } });
    const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }];
    await client.patch(
      nodes,
      { name: 'node-1' },
      { type: 'strategic', body: { status: { conditions } }, subresource: 'status' },
    );
    await eventually(async () => ((await client.get(nodes, { name: 'node-1' })).spec?.taints ? undefined : true));
  } finally {
    stop();
  }
});

test('wantedTaints() keeps new pods off nodes under pressure, and leaves the taints of others alone', () => {
  const foreign = { key: 'dedicated', value: 'x', effect: 'NoSchedule' as const };
  const disk = { key: 'node.kubernetes.io/disk-pressure', effect: 'NoSchedule' as const };
  const node = (pressure: string, taints: object[]) =>
    ({
      metadata: { name: 'n' },
      spec: { taints },
      status: { conditions: [{ type: 'DiskPressure', status: pressure }] },
    }) as never;
  const ready = { ready: 'True', now: '2026-01-01T00:00:00Z' };
  assert.deepEqual(wantedTaints(node('True', [foreign]), ready), [foreign, disk]);
  assert.deepEqual(wantedTaints(node('False', [disk, foreign]), ready), [foreign]);
});
