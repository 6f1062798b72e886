import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployments } from '../../api/kinds/deployment.ts';
import { pods } from '../../api/kinds/pod.ts';
import { podDisruptionBudgets } from '../../api/kinds/poddisruptionbudget.ts';
import type { Pod, PodDisruptionBudget } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { budgetStatus } from './status.ts';

const NOW = Date.UTC(2026, 0, 1);

function budget(spec: object, status?: object): PodDisruptionBudget {
  return { metadata: { name: 'b', generation: 2 }, spec, status } as PodDisruptionBudget;
}

function pod(name: string, { ready = true, ending = false } = {}): Pod {
  const metadata = { name, ...(ending ? { deletionTimestamp: 'x' } : {}) };
  return {
    metadata,
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  } as unknown as Pod;
}

test('budgetStatus() allows what is healthy beyond what must be', () => {
  const five = ['1', '2', '3', '4', '5'].map((name) => pod(name));
  const rows: [string, object, Pod[], number, [allowed: number, healthy: number, desired: number, expected: number]][] =
    [
      ['a number', { minAvailable: 3 }, five, 5, [2, 5, 3, 5]],
      ['more than there are', { minAvailable: 9 }, five, 5, [0, 5, 9, 5]],
      ['a share, rounded up', { minAvailable: '50%' }, five, 5, [2, 5, 3, 5]],
      ['of what is wanted, not of what is there', { minAvailable: '50%' }, five.slice(0, 3), 10, [0, 3, 5, 10]],
      ['at most so many away', { maxUnavailable: 1 }, five, 5, [1, 5, 4, 5]],
      ['one is away already', { maxUnavailable: 1 }, five.slice(0, 4), 5, [0, 4, 4, 5]],
      ['a share away, rounded up', { maxUnavailable: '30%' }, five, 5, [2, 5, 3, 5]],
      ['none without pods', { maxUnavailable: 1 }, [], 0, [0, 0, 0, 0]],
      [
        'neither ending nor unready ones',
        { minAvailable: 1 },
        [pod('1'), pod('2', { ready: false }), pod('3', { ending: true })],
        3,
        [0, 1, 1, 3],
      ],
    ];
  for (const [name, spec, mine, scale, expected] of rows) {
    const { disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods } = budgetStatus(budget(spec), {
      pods: mine,
      expectedScale: () => scale,
      now: NOW,
    });
    assert.deepEqual([disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods], expected, name);
  }
});

test('an evicted pod is not counted until it is gone, or two minutes have shown that it stays', () => {
  const evicted = { disruptedPods: { '1': new Date(NOW).toISOString(), gone: new Date(NOW).toISOString() } };
  const facts = { pods: [pod('1'), pod('2')], expectedScale: () => 2 };
  const soon = budgetStatus(budget({ minAvailable: 1 }, evicted), { ...facts, now: NOW + 1000 });
  assert.deepEqual([soon.disruptionsAllowed, Object.keys(soon.disruptedPods!)], [0, ['1']]);
  const late = budgetStatus(budget({ minAvailable: 1 }, evicted), { ...facts, now: NOW + 121_000 });
  assert.deepEqual([late.disruptionsAllowed, late.disruptedPods], [1, undefined]);
});

test('what can not be computed allows nothing', () => {
  const expectedScale = () => {
    throw new Error('Widget does not implement the scale subresource');
  };
  const status = budgetStatus(budget({ maxUnavailable: 1 }), { pods: [pod('1')], expectedScale, now: NOW });
  assert.equal(status.disruptionsAllowed, 0);
  const { reason, message } = status.conditions![0]!;
  assert.deepEqual([reason, message], ['SyncFailed', 'Widget does not implement the scale subresource']);
});

const WEB = {
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx:1' }] } },
  },
};

const BUDGET = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { minAvailable: 2, selector: { matchLabels: { app: 'web' } } },
};

async function withBudget(
  run: (cluster: TestCluster, evict: (name: string) => ReturnType<TestCluster['request']>) => Promise<void>,
): Promise<void> {
  const cluster = await startTestCluster();
  try {
    await cluster.addNode('node-1');
    await cluster.client.create(deployments, WEB);
    await cluster.client.create(podDisruptionBudgets, BUDGET);
    await run(cluster, (name) =>
      cluster.request('POST', `/api/v1/namespaces/default/pods/${name}/eviction`, {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name, namespace: 'default' },
      }),
    );
  } finally {
    cluster.stop();
  }
}

function allowed({ client, eventually }: TestCluster, count: number): Promise<PodDisruptionBudget> {
  return eventually(async () => {
    const found = await client.get(podDisruptionBudgets, { name: 'web', namespace: 'default' });
    return found.status?.disruptionsAllowed === count && found.status.expectedPods === 3 ? found : undefined;
  });
}

test('evictions stop at the budget and go on when pods are replaced', () =>
  withBudget(async (cluster, evict) => {
    await allowed(cluster, 1);
    const [first, second] = (await cluster.client.list(pods, { namespace: 'default' })).items;
    const answers = await Promise.all([evict(first!.metadata.name), evict(second!.metadata.name)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 429]);
    const { body } = answers.find(({ status }) => status === 429)!;
    assert.equal(body.reason, 'TooManyRequests');
    assert.equal(body.message, "Cannot evict pod as it would violate the pod's disruption budget.");
    assert.equal(body.details.causes[0].reason, 'DisruptionBudget');
    assert.match(
      body.details.causes[0].message,
      /^The disruption budget web needs 2 healthy pods and has \d currently$/,
    );
    await allowed(cluster, 1);
    const left = answers[0]!.status === 429 ? first! : second!;
    assert.equal((await evict(left.metadata.name)).status, 201);
  }));

test('pods without a budget, and such as run nothing, just go; two budgets are one too many', () =>
  withBudget(async (cluster, evict) => {
    const { client } = cluster;
    const bare = (name: string, app: string) => ({
      metadata: { name, namespace: 'default', labels: { app } },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    await client.create(pods, bare('free', 'other'));
    assert.equal((await evict('free')).status, 201);
    assert.equal((await evict('nobody')).status, 404);
    await allowed(cluster, 1);
    await client.create(podDisruptionBudgets, { ...BUDGET, metadata: { name: 'again', namespace: 'default' } });
    const [pod] = (await client.list(pods, { labelSelector: 'app=web' })).items;
    const answer = await evict(pod!.metadata.name);
    assert.equal(answer.status, 500);
    assert.match(answer.body.message, /This pod has more than one PodDisruptionBudget/);
  }));
