import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointSlices } from '../../api/kinds/endpointslice.ts';
import { leases } from '../../api/kinds/lease.ts';
import { pods } from '../../api/kinds/pod.ts';
import { services } from '../../api/kinds/service.ts';
import { NODE_LEASES, PROGRAMMED, reportAnnotation, UNROUTED } from '../../api/programmed.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';

const WEB = { name: 'web', namespace: 'default' };
const LIMIT = { timeout: 20_000 };

async function withCluster(run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster({ runPods: false });
  try {
    for (const name of ['node-1', 'node-2']) {
      await cluster.addNode(name);
      await cluster.client.create(leases, { metadata: { name, namespace: NODE_LEASES }, spec: {} });
    }
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

async function report({ client }: TestCluster, node: string, revision: string): Promise<void> {
  const annotations = reportAnnotation({ services: revision, endpointSlices: revision });
  const key = { name: node, namespace: NODE_LEASES };
  await client.patch(leases, key, { type: 'merge', body: { metadata: { annotations } } });
}

async function revision({ client }: TestCluster): Promise<string> {
  return (await client.list(services, {})).metadata.resourceVersion;
}

function untilMessage(cluster: TestCluster, wanted: string) {
  return cluster.eventually(async () => {
    const service = await cluster.client.get(services, WEB);
    const condition = service.status?.conditions?.find(({ type }) => type === PROGRAMMED);
    return condition && `${condition.status} ${condition.message}` === wanted ? service : undefined;
  });
}

async function withPod(cluster: TestCluster): Promise<void> {
  const { client } = cluster;
  await client.create(services, { metadata: WEB, spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } });
  const container = { name: 'web', image: 'web' };
  await client.create(pods, {
    metadata: { ...WEB, labels: { app: 'web' } },
    spec: { nodeName: 'node-1', containers: [container] },
  });
  const status = { phase: 'Running', podIP: '10.244.1.2', conditions: [{ type: 'Ready', status: 'True' }] };
  await client.patch(pods, WEB, { type: 'merge', body: { status }, subresource: 'status' });
  await endpointIs(cluster, 'ready');
}

function endpointIs({ client, eventually }: TestCluster, condition: 'ready' | 'terminating') {
  return eventually(async () => {
    const { items } = await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=web' });
    return items[0]?.endpoints[0]?.conditions?.[condition] || undefined;
  });
}

test('a Service is programmed when every node says so, and not any more when it changes', LIMIT, () =>
  withCluster(async (cluster) => {
    for (const node of ['node-1', 'node-2']) await report(cluster, node, '1');
    await withPod(cluster);
    await report(cluster, 'node-1', await revision(cluster));
    await untilMessage(cluster, 'False 1/2 nodes');
    await report(cluster, 'node-2', await revision(cluster));
    const { metadata } = await untilMessage(cluster, 'True 2/2 nodes');
    await cluster.client.patch(services, WEB, { type: 'merge', body: { spec: { sessionAffinity: 'ClientIP' } } });
    await untilMessage(cluster, 'False 0/2 nodes');
    for (const node of ['node-1', 'node-2']) await report(cluster, node, await revision(cluster));
    const again = await untilMessage(cluster, 'True 2/2 nodes');
    assert.notEqual(again.metadata.resourceVersion, metadata.resourceVersion);
  }),
);

test('a pod that ends is marked once no node leads to it any more, not before', LIMIT, () =>
  withCluster(async (cluster) => {
    await withPod(cluster);
    for (const node of ['node-1', 'node-2']) await report(cluster, node, await revision(cluster));
    await cluster.client.delete(pods, WEB);
    await endpointIs(cluster, 'terminating');
    await report(cluster, 'node-1', await revision(cluster));
    const pod = await cluster.client.get(pods, WEB);
    assert.equal(pod.metadata.annotations?.[UNROUTED], undefined);
    await report(cluster, 'node-2', await revision(cluster));
    await cluster.eventually(async () => (await cluster.client.get(pods, WEB)).metadata.annotations?.[UNROUTED]);
  }),
);
