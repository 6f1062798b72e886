import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployments } from '../../api/kinds/deployment.ts';
import { endpointSlices } from '../../api/kinds/endpointslice.ts';
import { leases } from '../../api/kinds/lease.ts';
import { nodes } from '../../api/kinds/node.ts';
import { pods } from '../../api/kinds/pod.ts';
import { services } from '../../api/kinds/service.ts';
import type { Pod } from '../../api/types.ts';
import { createInformers } from '../../client/informers.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { FakeClock, turn } from '../../testing/clock.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { startFakeNodes } from './fake-nodes.ts';
import { FAKE_LABEL } from './objects.ts';

const tolerations = [{ key: FAKE_LABEL, operator: 'Exists' as const }];

async function withFakeNodes(
  count: number,
  run: (cluster: TestCluster, start: (count: number) => Promise<() => void>) => Promise<void>,
  clock?: FakeClock,
): Promise<void> {
  const cluster = await startTestCluster({ runPods: false, ...(clock ? { clock } : {}) });
  const stops: (() => void)[] = [];
  const start = async (number: number) => {
    const abort = new AbortController();
    const common = {
      client: cluster.client,
      clock: clock ?? systemClock,
      random: () => 0.5,
      log: silentLogger,
      signal: abort.signal,
    };
    await startFakeNodes({ ...common, informers: createInformers(common), count: number });
    stops.push(() => abort.abort());
    return () => abort.abort();
  };
  try {
    await start(count);
    await run(cluster, start);
  } finally {
    for (const stop of stops) stop();
    cluster.stop();
  }
}

const web = (name: string, more: object = {}) => ({
  metadata: { name, namespace: 'default', labels: { app: 'web' } },
  spec: {
    tolerations,
    containers: [{ name: 'web', image: 'web', ports: [{ name: 'http', containerPort: 8080 }] }],
    ...more,
  } as Pod['spec'],
});

test('pods of fake nodes are said to run, stand behind their Services, and end', () =>
  withFakeNodes(3, async ({ client, eventually }) => {
    await client.create(services, {
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
    });
    const { spec, metadata } = web('web');
    const template = { metadata: { labels: metadata.labels }, spec };
    await client.create(deployments, {
      metadata: { name: 'web', namespace: 'default' },
      spec: { replicas: 6, selector: { matchLabels: metadata.labels }, template },
    });
    const endpoints = async () => {
      const { items } = await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=web' });
      return items.flatMap((slice) => slice.endpoints).filter(({ conditions }) => conditions?.ready);
    };
    const ready = await eventually(async () => {
      const found = await endpoints();
      return found.length === 6 ? found : undefined;
    });
    const addresses = ready.map(({ addresses, nodeName }) => `${nodeName} ${addresses[0]}`).sort();
    const expected = [1, 2, 3].flatMap((n) => [2, 3].map((last) => `fake-${n} 10.128.${n - 1}.${last}`));
    assert.deepEqual(addresses, expected);
    await client.patch(
      deployments,
      { name: 'web', namespace: 'default' },
      { type: 'merge', body: { spec: { replicas: 1 } } },
    );
    await eventually(async () =>
      (await client.list(pods, { namespace: 'default' })).items.length === 1 ? true : undefined,
    );
  }));

test('fake nodes keep pods off that do not mean to be there', () =>
  withFakeNodes(1, async ({ client, eventually }) => {
    await client.create(pods, web('real', { tolerations: [] }));
    const pod = await eventually(async () => {
      const found = await client.get(pods, { name: 'real', namespace: 'default' });
      return found.status?.conditions?.length ? found : undefined;
    });
    assert.match(
      pod.status!.conditions![0]!.message!,
      /^0\/1 nodes are available: 1 node\(s\) had untolerated taint\(s\)\./,
    );
  }));

test('a pod with a readiness gate is ready when its gate is', () =>
  withFakeNodes(1, async ({ client, eventually }) => {
    const key = { name: 'gated', namespace: 'default' };
    await client.create(pods, web('gated', { readinessGates: [{ conditionType: 'example.com/open' }] }));
    const isReady = (pod: Pod) => pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
    await eventually(async () => (isReady(await client.get(pods, key)) === 'False' ? true : undefined));
    const body = { status: { conditions: [{ type: 'example.com/open', status: 'True' }] } };
    await client.patch(pods, key, { type: 'strategic', body, subresource: 'status' });
    await eventually(async () => (isReady(await client.get(pods, key)) === 'True' ? true : undefined));
  }));

test('fake nodes that start again keep their pods and addresses; those that are too many go', () =>
  withFakeNodes(2, async ({ client, eventually }, start) => {
    const find = async (name: string) => {
      const pod = await client.get(pods, { name, namespace: 'default' });
      return pod.status?.podIP ? pod : undefined;
    };
    const nodeSelector = { 'kubernetes.io/hostname': 'fake-1' };
    await client.create(pods, web('first', { nodeSelector }));
    const before = await eventually(() => find('first'));
    await start(1);
    await client.create(pods, web('second', { nodeSelector }));
    const second = await eventually(() => find('second'));
    assert.deepEqual([before.status!.podIP, second.status!.podIP], ['10.128.0.2', '10.128.0.3']);
    assert.deepEqual((await find('first'))!.status, before.status);
    const { items } = await client.list(nodes);
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ['fake-1'],
    );
  }));

test('leases of fake nodes are renewed in time', () => {
  const clock = new FakeClock();
  return withFakeNodes(
    5,
    async ({ client }) => {
      const renewals = async () => (await client.list(leases)).items.map(({ spec }) => Date.parse(spec!.renewTime!));
      for (let seconds = 0; seconds < 60; seconds++) {
        clock.advance(1000);
        for (let turns = 0; turns < 20; turns++) await turn();
        const oldest = Math.min(...(await renewals()));
        assert.ok(clock.now() - oldest <= 16_000, `${clock.now() - oldest} ms after ${seconds} s`);
      }
    },
    clock,
  );
});
