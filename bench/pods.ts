import { startFakeNodes } from '../src/agent/fake/fake-nodes.ts';
import { FAKE_LABEL, trimPod } from '../src/agent/fake/objects.ts';
import { deployments } from '../src/api/kinds/deployment.ts';
import { services } from '../src/api/kinds/service.ts';
import type { Resource } from '../src/api/resource.ts';
import type { Deployment, KubeObject, Pod } from '../src/api/types.ts';
import { createInformers } from '../src/client/informers.ts';
import { sleep, systemClock } from '../src/lib/clock.ts';
import { createLogger } from '../src/lib/log.ts';
import { startTestCluster, type TestCluster } from '../src/testing/cluster.ts';
import { residentBytes, timeMs } from './lib.ts';
import { type Figure, printReport } from './report.ts';

/** A whole control plane in one process, and nodes without containers: from Deployments to endpoints of Services. */
const [NODES, PODS, A_DEPLOYMENT] = [process.argv[2] ?? 1000, process.argv[3] ?? 10_000, 100].map(Number) as [
  number,
  number,
  number,
];

function project<T extends KubeObject>({ plural }: Resource<T>, object: T): T {
  return plural === 'pods' ? (trimPod(object as unknown as Pod) as unknown as T) : object;
}

async function addNodes({ client }: TestCluster, signal: AbortSignal): Promise<void> {
  const log = createLogger({ write: (line) => console.error(line), now: Date.now });
  const common = { client, clock: systemClock, random: Math.random, log, signal };
  await startFakeNodes({ ...common, informers: createInformers({ ...common, project }), count: NODES });
}

function deployment(name: string): Omit<Deployment, 'apiVersion' | 'kind'> {
  const labels = { app: name };
  const spec = {
    nodeSelector: { [FAKE_LABEL]: 'true' },
    tolerations: [{ key: FAKE_LABEL, operator: 'Exists' as const }],
    containers: [{ name: 'web', image: 'web', ports: [{ name: 'http', containerPort: 80 }] }],
  };
  const template = { metadata: { labels }, spec };
  return {
    metadata: { name, namespace: 'default' },
    spec: { replicas: A_DEPLOYMENT, selector: { matchLabels: labels }, template },
  };
}

async function run(cluster: TestCluster, signal: AbortSignal): Promise<Figure[]> {
  const { client, informers } = cluster;
  const before = residentBytes();
  const nodesMs = await timeMs(() => addNodes(cluster, signal));
  const names = Array.from({ length: PODS / A_DEPLOYMENT }, (_, index) => `web-${index}`);
  const isReady = (name: string) =>
    informers.of(deployments).get(name, 'default')?.status?.readyReplicas === A_DEPLOYMENT;
  const podsMs = await timeMs(async () => {
    for (const name of names) {
      await client.create(services, {
        metadata: { name, namespace: 'default' },
        spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 'http' }] },
      });
      await client.create(deployments, deployment(name));
    }
    while (!names.every(isReady)) await sleep(systemClock, 50);
  });
  return [
    { name: `${NODES} nodes registered`, value: nodesMs / 1000, unit: 's' },
    { name: `${PODS} pods of ${names.length} Deployments ready`, value: podsMs / 1000, unit: 's' },
    { name: '… pods a second', value: PODS / (podsMs / 1000), unit: '/s' },
    { name: 'memory that they take', value: (residentBytes() - before) / 2 ** 20, unit: 'MiB' },
  ];
}

const stop = new AbortController();
const cluster = await startTestCluster({ runPods: false });
const figures = await run(cluster, stop.signal);
stop.abort();
cluster.stop();
const notes = [
  'API server (in memory), controllers, scheduler and nodes in one process; each pod is created, bound, run and listed in a slice',
];
printReport({ title: 'Pods without containers', figures, notes });
process.exit();
