import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { deployments } from '../src/api/kinds/deployment.ts';
import { pods } from '../src/api/kinds/pod.ts';
import type { Pod } from '../src/api/types.ts';
import type { Client } from '../src/client/client.ts';
import { httpsTransport, parseKubeconfig } from '../src/client/https.ts';
import { createClient } from '../src/client/kube-client.ts';
import { sleep, systemClock } from '../src/lib/clock.ts';
import { quantile, timeMs } from './lib.ts';
import { type Figure, printReport } from './report.ts';

/** Real containers on three nodes of this machine: how long pods take, one by one and many at once. */
const NAME = `bench${process.pid}`;
const PORT = '16444';
const ONE_BY_ONE = 20;
const AT_ONCE = 50;
const ROLLED = 100;
const SAMPAN = new URL('../sampan', import.meta.url).pathname;

function sampan(...words: string[]): void {
  execFileSync(SAMPAN, words, { stdio: 'ignore' });
}

const container = {
  name: 'main',
  image: 'busybox',
  imagePullPolicy: 'IfNotPresent' as const,
  command: ['sleep', '100000'],
};
const spec = { terminationGracePeriodSeconds: 0, containers: [container] };

/** Ms from the request until a watch shows that the pod runs. */
class Stopwatch {
  readonly #started = new Map<string, number>();
  readonly #waiting = new Map<string, (ms: number) => void>();

  see(pod: Pod): void {
    const { name } = pod.metadata;
    if (pod.status?.phase !== 'Running') return;
    this.#waiting.get(name)?.(performance.now() - this.#started.get(name)!);
    this.#waiting.delete(name);
  }

  async create(client: Client, name: string): Promise<number> {
    const running = new Promise<number>((resolve) => this.#waiting.set(name, resolve));
    this.#started.set(name, performance.now());
    await client.create(pods, { metadata: { name, namespace: 'default' }, spec });
    return running;
  }
}

async function follow(client: Client, watch: Stopwatch, signal: AbortSignal): Promise<void> {
  const { metadata } = await client.list(pods, { namespace: 'default' });
  const options = { namespace: 'default', resourceVersion: metadata.resourceVersion };
  for await (const { object } of client.watch(pods, options, signal)) watch.see(object);
}

async function podFigures(client: Client, signal: AbortSignal): Promise<Figure[]> {
  const watch = new Stopwatch();
  void follow(client, watch, signal).catch(() => {});
  await sleep(systemClock, 200);
  const single: number[] = [];
  for (let index = 0; index < ONE_BY_ONE; index++) single.push(await watch.create(client, `one-${index}`));
  let many: number[] = [];
  const totalMs = await timeMs(async () => {
    many = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => watch.create(client, `many-${index}`)));
  });
  return [
    { name: 'one pod, created until it runs, p50', value: quantile(single, 0.5), unit: 'ms' },
    { name: 'one pod, created until it runs, p99', value: quantile(single, 0.99), unit: 'ms' },
    { name: `${AT_ONCE} pods at once, p50`, value: quantile(many, 0.5), unit: 'ms' },
    { name: `${AT_ONCE} pods at once, p99`, value: quantile(many, 0.99), unit: 'ms' },
    { name: '… pods a second', value: AT_ONCE / (totalMs / 1000), unit: '/s', target: { least: 20 } },
  ];
}

async function rollout(client: Client): Promise<Figure[]> {
  const labels = { app: 'rolled' };
  const key = { name: 'rolled', namespace: 'default' };
  await client.create(deployments, {
    metadata: key,
    spec: { replicas: ROLLED, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  const done = async () => {
    for (;;) {
      const { metadata, spec: wanted, status } = await client.get(deployments, key);
      const counts = [status?.updatedReplicas, status?.availableReplicas, status?.replicas];
      if (status?.observedGeneration === metadata.generation && counts.every((count) => count === wanted?.replicas))
        return;
      await sleep(systemClock, 50);
    }
  };
  const firstMs = await timeMs(done);
  const annotations = { round: '2' };
  const rolledMs = await timeMs(async () => {
    await client.patch(deployments, key, {
      type: 'merge',
      body: { spec: { template: { metadata: { annotations } } } },
    });
    await done();
  });
  return [
    { name: `a Deployment of ${ROLLED} pods is available`, value: firstMs / 1000, unit: 's' },
    { name: '… and all of them are replaced (25 % at once)', value: rolledMs / 1000, unit: 's' },
  ];
}

const kubeconfig = `/var/lib/sampan/${NAME}/kubeconfig`;
const stop = new AbortController();
try {
  sampan('up', '--name', NAME, '--nodes', '3', '--port', PORT);
  const client = createClient(
    httpsTransport(parseKubeconfig(readFileSync(kubeconfig, 'utf8'), (path) => readFileSync(path, 'utf8'))),
  );
  const figures = await podFigures(client, stop.signal);
  stop.abort();
  const { items } = await client.list(pods, { namespace: 'default' });
  await Promise.all(items.map(({ metadata }) => client.delete(pods, { name: metadata.name, namespace: 'default' })));
  while ((await client.list(pods, { namespace: 'default' })).items.length > 0) await sleep(systemClock, 100);
  figures.push(...(await rollout(client)));
  printReport({
    title: 'Pods of real containers',
    figures,
    notes: ['busybox, three nodes, runc; API server and all nodes share the processors'],
  });
} finally {
  stop.abort();
  sampan('down', '--name', NAME);
}
process.exit();
