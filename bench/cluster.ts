import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { deployments } from '../src/api/kinds/deployment.ts';
import { pods } from '../src/api/kinds/pod.ts';
import { services } from '../src/api/kinds/service.ts';
import type { Client } from '../src/client/client.ts';
import { httpsTransport, parseKubeconfig } from '../src/client/https.ts';
import { createClient } from '../src/client/kube-client.ts';
import { quantile, timeMs } from './lib.ts';
import { type Figure, printReport } from './report.ts';

/** A whole cluster of three nodes on this machine, by the same commands that a person types. */
const NAME = `bench${process.pid}`;
const PORT = '16443';
const NODES = ['node-1', 'node-2', 'node-3'];
const READY_CHANGES = 20;
const SAMPAN = new URL('../sampan', import.meta.url).pathname;
const LIMIT_MS = 60_000;

function sampan(...words: string[]): string {
  return execFileSync(SAMPAN, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function web(replicas: number) {
  const probe = { httpGet: { path: '/', port: 80 } };
  const container = {
    name: 'web',
    image: 'nginx',
    imagePullPolicy: 'IfNotPresent' as const,
    ports: [{ containerPort: 80 }],
    readinessProbe: probe,
  };
  return {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { terminationGracePeriodSeconds: 1, containers: [container] },
      },
    },
  };
}

/** Until a page comes back by the Service's DNS name, asked on a node of its own DNS server. */
async function firstAnswer(client: Client): Promise<void> {
  await client.create(deployments, web(2));
  await client.create(services, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  const script = `until wget -q -O /dev/null http://web.default.svc.cluster.local; do sleep 0.02; done`;
  await client.create(pods, {
    metadata: { name: 'client', namespace: 'default' },
    spec: {
      restartPolicy: 'Never',
      containers: [
        { name: 'client', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', script] },
      ],
    },
  });
  for await (const event of client.watch(
    pods,
    { namespace: 'default', fieldSelector: 'metadata.name=client' },
    AbortSignal.timeout(LIMIT_MS),
  )) {
    if (event.object.status?.phase === 'Succeeded') return;
  }
}

/** From a pod's Ready condition in the API to the rules of every node. */
async function readyToRules(client: Client): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < READY_CHANGES; i++) {
    const name = `extra-${i}`;
    const container = { name: 'web', image: 'nginx', imagePullPolicy: 'IfNotPresent' as const };
    await client.create(pods, {
      metadata: { name, namespace: 'default', labels: { app: 'web' } },
      spec: { terminationGracePeriodSeconds: 1, containers: [container] },
    });
    samples.push(await untilProgrammed(client, name));
    await client.delete(pods, { name, namespace: 'default' }, { gracePeriodSeconds: 0 });
  }
  return samples;
}

async function untilProgrammed(client: Client, name: string): Promise<number> {
  for await (const { object } of client.watch(
    pods,
    { namespace: 'default', fieldSelector: `metadata.name=${name}` },
    AbortSignal.timeout(LIMIT_MS),
  )) {
    const ready = object.status?.conditions?.some(
      (condition) => condition.type === 'Ready' && condition.status === 'True',
    );
    if (ready && object.status?.podIP) return timeMs(() => untilInRules(object.status!.podIP!));
  }
  throw new Error(`pod ${name} was not ready in time`);
}

function untilInRules(ip: string): void {
  const deadline = performance.now() + LIMIT_MS;
  for (const node of NODES) {
    const netns = `/run/netns/sampan-${NAME}-${node}`;
    const get = [`--net=${netns}`, '--', 'nft', 'get', 'element', 'ip', 'sampan', 'hairpins', `{ ${ip} . ${ip} }`];
    while (spawnSync('nsenter', get, { stdio: 'ignore' }).status !== 0) {
      if (performance.now() > deadline) throw new Error(`endpoint ${ip} did not reach the rules of ${node}`);
    }
  }
}

interface Status {
  memoryBytes: number;
}

async function measure(): Promise<Figure[]> {
  const start = performance.now();
  sampan('up', '--name', NAME, '--port', PORT);
  const upMs = performance.now() - start;
  const client = createClient(
    httpsTransport(
      parseKubeconfig(readFileSync(`/var/lib/sampan/${NAME}/kubeconfig`, 'utf8'), (path) => readFileSync(path, 'utf8')),
    ),
  );
  const idle = JSON.parse(sampan('status', '--name', NAME, '-o', 'json')) as Status;
  await firstAnswer(client);
  const answerMs = performance.now() - start;
  const programmed = await readyToRules(client);
  return [
    { name: 'up until three nodes are ready', value: upMs / 1000, unit: 's' },
    { name: 'up until an app answers by its DNS name', value: answerMs / 1000, unit: 's', target: { most: 5 } },
    { name: 'memory of all processes, idle', value: idle.memoryBytes / 2 ** 20, unit: 'MiB', target: { most: 400 } },
    { name: 'pod ready to rules on all nodes, p50', value: quantile(programmed, 0.5), unit: 'ms' },
    {
      name: 'pod ready to rules on all nodes, p99',
      value: quantile(programmed, 0.99),
      unit: 'ms',
      target: { most: 50 },
    },
  ];
}

try {
  const figures = await measure();
  const notes = [
    'memory is the proportional set size',
    'the time to rules includes starting nft once a node to look: about 5 ms each',
  ];
  printReport({ title: 'A cluster of three nodes', figures, notes });
} finally {
  sampan('down', '--name', NAME);
}
