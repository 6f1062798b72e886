import assert from 'node:assert/strict';
import { test } from 'node:test';
import { events } from '../api/kinds/event.ts';
import { services } from '../api/kinds/service.ts';
import type { Service } from '../api/types.ts';
import { createEventRecorder } from '../client/events.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock } from '../testing/clock.ts';
import { startTestCluster, type TestCluster } from '../testing/cluster.ts';
import { addressesIn } from './assign.ts';
import { startLoadBalancer } from './controller.ts';
import { parsePool } from './pool.ts';

async function start(t: { after: (end: () => void) => void }, pool: string): Promise<TestCluster> {
  const cluster = await startTestCluster();
  const stop = new AbortController();
  t.after(() => {
    stop.abort();
    cluster.stop();
  });
  const shared = { ...cluster, clock: new FakeClock(), log: silentLogger, random: () => 0.5, signal: stop.signal };
  startLoadBalancer({
    ...shared,
    recorder: createEventRecorder({ ...shared, component: 'test' }),
    pool: parsePool(pool),
  });
  return cluster;
}

function create({ client }: TestCluster, name: string, spec: object = {}): Promise<Service> {
  const body = { type: 'LoadBalancer', selector: { app: name }, ports: [{ port: 80 }], ...spec };
  return client.create(services, { metadata: { name, namespace: 'default' }, spec: body } as never);
}

function addressOf({ eventually, client }: TestCluster, name: string): Promise<string> {
  return eventually(async () => addressesIn(await client.get(services, { name, namespace: 'default' }))[0]);
}

const CHANGE = { type: 'merge' } as const;

test('a Service gets an address, keeps it, and loses it with its type', async (t) => {
  const cluster = await start(t, '10.89.0.200-10.89.0.201');
  await create(cluster, 'a');
  assert.equal(await addressOf(cluster, 'a'), '10.89.0.200');
  const stored = await cluster.client.get(services, { name: 'a', namespace: 'default' });
  assert.deepEqual(stored.status?.loadBalancer, { ingress: [{ ip: '10.89.0.200', ipMode: 'VIP' }] });
  await create(cluster, 'b');
  assert.equal(await addressOf(cluster, 'b'), '10.89.0.201');

  const body = { spec: { type: 'NodePort' } };
  const changed = await cluster.client.patch(services, { name: 'a', namespace: 'default' }, { ...CHANGE, body });
  assert.deepEqual(changed.status?.loadBalancer, {});
  await create(cluster, 'c');
  assert.equal(await addressOf(cluster, 'c'), '10.89.0.200');
});

test('a hostname that was asked for stands beside the address', async (t) => {
  const cluster = await start(t, '10.89.0.200-10.89.0.200');
  const annotations = { 'sampan.dev/load-balancer-hostname': 'web.example.com' };
  const metadata = { name: 'named', namespace: 'default', annotations };
  await cluster.client.create(services, { metadata, spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } } as never);
  await addressOf(cluster, 'named');
  const { status } = await cluster.client.get(services, { name: 'named', namespace: 'default' });
  assert.deepEqual(status?.loadBalancer?.ingress, [{ hostname: 'web.example.com', ip: '10.89.0.200', ipMode: 'VIP' }]);
});

test('who found no address is told why, and gets one when it is freed', async (t) => {
  const cluster = await start(t, '10.89.0.200-10.89.0.200');
  await create(cluster, 'first');
  await addressOf(cluster, 'first');
  await create(cluster, 'second');
  const event = await cluster.eventually(async () => {
    const { items } = await cluster.client.list(events, { namespace: 'default' });
    return items.find(({ reason }) => reason === 'SyncLoadBalancerFailed');
  });
  assert.match(event.message ?? '', /failed to ensure load balancer: no available IPv4 addresses/);
  await cluster.client.delete(services, { name: 'first', namespace: 'default' });
  assert.equal(await addressOf(cluster, 'second'), '10.89.0.200');
});

test('Services of another class are left alone', async (t) => {
  const cluster = await start(t, '10.89.0.200-10.89.0.200');
  await create(cluster, 'foreign', { loadBalancerClass: 'example.com/cloud' });
  await create(cluster, 'ours');
  await addressOf(cluster, 'ours');
  const foreign = await cluster.client.get(services, { name: 'foreign', namespace: 'default' });
  assert.deepEqual(foreign.status?.loadBalancer, {});
});
