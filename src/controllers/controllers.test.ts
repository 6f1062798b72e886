import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNotFound } from '../api/errors.ts';
import { configMaps } from '../api/kinds/configmap.ts';
import { deployments } from '../api/kinds/deployment.ts';
import { endpoints } from '../api/kinds/endpoints.ts';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import { replicaSets } from '../api/kinds/replicaset.ts';
import { services } from '../api/kinds/service.ts';
import { serviceAccounts } from '../api/kinds/serviceaccount.ts';
import type { Pod } from '../api/types.ts';
import { startTestCluster, type TestCluster } from '../testing/cluster.ts';

function web(replicas: number, image = 'nginx:1') {
  const spec = { containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 80 }] }] };
  return {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec },
    },
  };
}

const WEB_SERVICE = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
};

async function withCluster(run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  try {
    for (const name of ['node-1', 'node-2', 'node-3']) await cluster.addNode(name);
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

async function readyPods({ client }: TestCluster, count: number): Promise<Pod[] | undefined> {
  const { items } = await client.list(pods, { namespace: 'default', labelSelector: 'app=web' });
  const ready = items.filter((pod) => pod.status?.phase === 'Running' && !pod.metadata.deletionTimestamp);
  return ready.length === count && items.length === count ? ready : undefined;
}

async function addresses({ client }: TestCluster): Promise<string[]> {
  const { items } = await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=web' });
  return items
    .flatMap((slice) => slice.endpoints.filter((e) => e.conditions?.ready).flatMap((e) => e.addresses))
    .sort();
}

test('a Deployment gets its pods, spread over the nodes, and says so', () =>
  withCluster(async (cluster) => {
    await cluster.client.create(deployments, web(3));
    const running = await cluster.eventually(() => readyPods(cluster, 3));
    assert.equal(new Set(running.map((pod) => pod.spec?.nodeName)).size, 3);
    const { status } = await cluster.eventually(async () => {
      const deployment = await cluster.client.get(deployments, { name: 'web', namespace: 'default' });
      return deployment.status?.availableReplicas === 3 ? deployment : undefined;
    });
    const conditions = status!.conditions!.map(({ type, status, reason }) => [type, status, reason]);
    assert.deepEqual(conditions, [
      ['Available', 'True', 'MinimumReplicasAvailable'],
      ['Progressing', 'True', 'NewReplicaSetAvailable'],
    ]);
  }));

test('endpoints follow the pods of a Service', () =>
  withCluster(async (cluster) => {
    await cluster.client.create(services, WEB_SERVICE);
    await cluster.client.create(deployments, web(2));
    const running = await cluster.eventually(() => readyPods(cluster, 2));
    const ips = running.map((pod) => pod.status!.podIP!).sort();
    await cluster.eventually(async () => ((await addresses(cluster)).length === 2 ? true : undefined));
    assert.deepEqual(await addresses(cluster), ips);
    const { name, namespace } = running[0]!.metadata;
    await cluster.client.delete(pods, { name, namespace });
    const after = await cluster.eventually(async () => {
      const now = await addresses(cluster);
      return now.length === 2 && !now.includes(running[0]!.status!.podIP!) ? now : undefined;
    });
    const object = await cluster.eventually(async () => {
      const found = await cluster.client.get(endpoints, { name: 'web', namespace });
      const list = (found.subsets ?? []).flatMap((subset) => subset.addresses ?? []).map((address) => address.ip);
      return JSON.stringify(list.toSorted()) === JSON.stringify(after) ? found : undefined;
    });
    assert.deepEqual(object.subsets![0]!.ports, [{ protocol: 'TCP', port: 80 }]);
  }));

test('a new template replaces the old pods and never leaves too few', () =>
  withCluster(async (cluster) => {
    await cluster.client.create(deployments, web(4));
    await cluster.eventually(() => readyPods(cluster, 4));
    let fewest = 4;
    const stop = cluster.store.watch('/core/pods/', 0, () => {
      const all = cluster.informers.of(pods).list('default');
      fewest = Math.min(
        fewest,
        all.filter((pod) => pod.status?.phase === 'Running' && !pod.metadata.deletionTimestamp).length,
      );
    });
    const body = { spec: { template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } } };
    await cluster.client.patch(deployments, { name: 'web', namespace: 'default' }, { type: 'strategic', body });
    await cluster.eventually(async () => {
      const running = await readyPods(cluster, 4);
      return running?.every((pod) => pod.spec?.containers[0]?.image === 'nginx:2') ? running : undefined;
    });
    stop();
    assert.ok(fewest >= 3, `only ${fewest} of 4 were running`);
    const sets = (await cluster.client.list(replicaSets, { namespace: 'default' })).items;
    assert.deepEqual(sets.map((set) => set.metadata.annotations?.['deployment.kubernetes.io/revision']).sort(), [
      '1',
      '2',
    ]);
  }));

test('scale to none and back', () =>
  withCluster(async (cluster) => {
    await cluster.client.create(deployments, web(2));
    await cluster.eventually(() => readyPods(cluster, 2));
    for (const replicas of [0, 2]) {
      const body = { spec: { replicas } };
      await cluster.client.patch(
        deployments,
        { name: 'web', namespace: 'default' },
        { type: 'merge', body, subresource: 'scale' },
      );
      await cluster.eventually(() => readyPods(cluster, replicas));
    }
  }));

test('what a Deployment owns goes with it, or stays as an orphan', () =>
  withCluster(async (cluster) => {
    const key = { name: 'web', namespace: 'default' };
    await cluster.client.create(deployments, web(2));
    await cluster.eventually(() => readyPods(cluster, 2));
    await cluster.client.delete(deployments, key, { propagationPolicy: 'Orphan' });
    await cluster.eventually(async () => ((await exists(cluster, key)) ? undefined : true));
    const { items } = await cluster.client.list(replicaSets, { namespace: 'default' });
    assert.deepEqual(
      items.map((set) => set.metadata.ownerReferences ?? []),
      [[]],
    );
    const { name } = items[0]!.metadata;
    await cluster.client.delete(replicaSets, { name, namespace: 'default' }, { propagationPolicy: 'Background' });
    await cluster.eventually(() => readyPods(cluster, 0));
  }));

async function exists({ client }: TestCluster, key: { name: string; namespace: string }): Promise<boolean> {
  try {
    await client.get(deployments, key);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

test('foreground deletion ends the owner last', () =>
  withCluster(async (cluster) => {
    const key = { name: 'web', namespace: 'default' };
    await cluster.client.create(deployments, web(2));
    await cluster.eventually(() => readyPods(cluster, 2));
    await cluster.client.delete(deployments, key, { propagationPolicy: 'Foreground' });
    await cluster.eventually(async () => ((await exists(cluster, key)) ? undefined : true));
    assert.equal((await cluster.client.list(pods, { namespace: 'default' })).items.length, 0);
    assert.equal((await cluster.client.list(replicaSets, { namespace: 'default' })).items.length, 0);
  }));

test('a namespace has its account and the authority, and is emptied when it goes', () =>
  withCluster(async ({ client, eventually }) => {
    await client.create(namespaces, { metadata: { name: 'team' } });
    const key = (name: string) => ({ name, namespace: 'team' });
    const present = async <T>(get: Promise<T>) => get.catch(() => undefined);
    await eventually(() => present(client.get(serviceAccounts, key('default'))));
    const map = await eventually(() => present(client.get(configMaps, key('kube-root-ca.crt'))));
    assert.equal(map.data?.['ca.crt'], 'the authority');
    await client.delete(namespaces, { name: 'team' });
    const gone = () =>
      client.get(namespaces, { name: 'team' }).then(
        () => undefined,
        () => true,
      );
    await eventually(gone);
    assert.equal((await client.list(configMaps, { namespace: 'team' })).items.length, 0);
  }));

test('nodes get pod addresses of their own, and DNS leads to each', () =>
  withCluster(async ({ client, eventually }) => {
    const all = await eventually(async () => {
      const { items } = await client.list(nodes);
      return items.every((node) => node.spec?.podCIDR) ? items : undefined;
    });
    assert.equal(new Set(all.map((node) => node.spec?.podCIDR)).size, 3);
    const slice = await eventually(async () => {
      const found = await client
        .get(endpointSlices, { name: 'kube-dns', namespace: 'kube-system' })
        .catch(() => undefined);
      return found?.endpoints.length === 3 ? found : undefined;
    });
    assert.deepEqual(
      slice.endpoints.map(({ addresses, nodeName }) => [addresses[0], nodeName]),
      [
        ['10.89.0.11', 'node-1'],
        ['10.89.0.12', 'node-2'],
        ['10.89.0.13', 'node-3'],
      ],
    );
  }));

test('a pod that fits nowhere says why, and is placed when it does', async () => {
  const cluster = await startTestCluster();
  try {
    const spec = { containers: [{ name: 'c', image: 'i' }], nodeSelector: { disk: 'fast' } };
    await cluster.addNode('node-1');
    await cluster.client.create(pods, { metadata: { name: 'p', namespace: 'default' }, spec });
    const waiting = await cluster.eventually(async () => {
      const pod = await cluster.client.get(pods, { name: 'p', namespace: 'default' });
      return pod.status?.conditions?.some((c) => c.reason === 'Unschedulable') ? pod : undefined;
    });
    const { message } = waiting.status!.conditions!.find((c) => c.type === 'PodScheduled')!;
    assert.match(message!, /^0\/1 nodes are available: 1 node\(s\) didn't match Pod's node affinity\/selector\./);
    const labels = { disk: 'fast' };
    await cluster.client.patch(nodes, { name: 'node-1' }, { type: 'merge', body: { metadata: { labels } } });
    await cluster.eventually(
      async () => (await cluster.client.get(pods, { name: 'p', namespace: 'default' })).spec?.nodeName,
    );
  } finally {
    cluster.stop();
  }
});

test('the Service of the API server comes back with its endpoints', () =>
  withCluster(async ({ client, eventually }) => {
    const key = { name: 'kubernetes', namespace: 'default' };
    const { uid } = (await client.get(services, key)).metadata;
    await client.delete(services, key);
    const back = await eventually(async () => {
      const found = await client.get(services, key).catch(() => undefined);
      return found && found.metadata.uid !== uid ? found : undefined;
    });
    assert.equal(back.spec?.clusterIP, '10.96.0.1');
    await client.delete(endpointSlices, key);
    await eventually(() => client.get(endpointSlices, key).catch(() => undefined));
  }));
