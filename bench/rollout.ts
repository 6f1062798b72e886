import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deployments } from '../src/api/kinds/deployment.ts';
import { pods } from '../src/api/kinds/pod.ts';
import { services } from '../src/api/kinds/service.ts';
import { PROGRAMMED, UNROUTED } from '../src/api/programmed.ts';
import type { Client } from '../src/client/client.ts';
import { httpsTransport, parseKubeconfig } from '../src/client/https.ts';
import { createClient } from '../src/client/kube-client.ts';
import type { LoadResult } from './http-load.ts';
import { quantile } from './lib.ts';
import { type Figure, printReport } from './report.ts';

/** A rolling update under load, from every node at once: no request may be lost. */
const NAME = `bench${process.pid}`;
const PORT = '16443';
const NODES = ['node-1', 'node-2', 'node-3'];
const REPLICAS = 10;
const RATE = 100;
const LIMIT_S = 60;
const SAMPAN = fileURLToPath(new URL('../sampan', import.meta.url));
const LOAD = fileURLToPath(new URL('http-load.ts', import.meta.url));
const WEB = { name: 'web', namespace: 'default' };

function sampan(...words: string[]): string {
  return execFileSync(SAMPAN, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function web(version: string) {
  const container = {
    name: 'web',
    image: 'nginx',
    imagePullPolicy: 'IfNotPresent' as const,
    ports: [{ containerPort: 80 }],
    readinessProbe: { httpGet: { path: '/', port: 80 }, periodSeconds: 1 },
  };
  const template = { metadata: { labels: { app: 'web', version } }, spec: { containers: [container] } };
  return { metadata: WEB, spec: { replicas: REPLICAS, selector: { matchLabels: { app: 'web' } }, template } };
}

/** Resolves with the first object that `look` accepts. */
async function until<T>(watch: AsyncIterable<{ object: T }>, look: (object: T) => boolean | undefined): Promise<T> {
  for await (const { object } of watch) if (look(object)) return object;
  throw new Error('the watch ended');
}

function rolledOut(client: Client, generation: number) {
  const options = { namespace: 'default', fieldSelector: 'metadata.name=web' };
  return until(client.watch(deployments, options, AbortSignal.timeout(LIMIT_S * 1000)), ({ status }) => {
    const done = status?.updatedReplicas === REPLICAS && status.availableReplicas === REPLICAS;
    return (status?.observedGeneration ?? 0) >= generation && done && status?.replicas === REPLICAS;
  });
}

/** Load from one node; the function that it returns ends it. */
function startLoad(node: string, ip: string): () => Promise<LoadResult> {
  const words = [`--net=/run/netns/sampan-${NAME}-${node}`, '--', process.execPath, LOAD];
  const child = spawn('nsenter', [...words, `http://${ip}/`, String(RATE), String(LIMIT_S)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const ended = new Promise<LoadResult>((resolve, reject) => {
    child.on('error', reject).on('close', () => resolve(JSON.parse(text) as LoadResult));
  });
  return () => {
    child.stdin.end();
    return ended;
  };
}

/** From the deletion of a pod to the word that no node leads to it, for each pod that goes. */
async function followEnds(client: Client, signal: AbortSignal): Promise<number[]> {
  const began = new Map<string, number>();
  const waits: number[] = [];
  try {
    for await (const { object } of client.watch(pods, { namespace: 'default' }, signal)) {
      const { name, deletionTimestamp, annotations } = object.metadata;
      if (deletionTimestamp && !began.has(name)) began.set(name, performance.now());
      if (!annotations?.[UNROUTED] || !began.get(name)) continue;
      waits.push(performance.now() - began.get(name)!);
      began.set(name, 0);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return waits;
}

async function measure(client: Client): Promise<Figure[]> {
  await client.create(deployments, web('1'));
  const spec = { selector: { app: 'web' }, ports: [{ port: 80 }] };
  const { spec: created } = await client.create(services, { metadata: WEB, spec });
  await rolledOut(client, 1);
  const watch = client.watch(services, { fieldSelector: 'metadata.name=web' }, AbortSignal.timeout(LIMIT_S * 1000));
  const isProgrammed = (type: string, status: string) => type === PROGRAMMED && status === 'True';
  await until(watch, ({ status }) => status?.conditions?.some((one) => isProgrammed(one.type, one.status)));
  const loads = NODES.map((node) => startLoad(node, created!.clusterIP!));
  const stop = new AbortController();
  const ends = followEnds(client, stop.signal);
  const start = performance.now();
  const { template } = web('2').spec;
  const { metadata } = await client.patch(deployments, WEB, { type: 'merge', body: { spec: { template } } });
  await rolledOut(client, metadata.generation!);
  const rolloutMs = performance.now() - start;
  const results = await Promise.all(loads.map((end) => end()));
  stop.abort();
  return figuresOf(results, { rolloutMs, waits: await ends });
}

function figuresOf(results: readonly LoadResult[], at: { rolloutMs: number; waits: readonly number[] }): Figure[] {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const failures = results.flatMap((result) => Object.entries(result.failures));
  for (const [reason, { count, firstAt }] of failures) console.error(`${count} × ${reason}, first at ${firstAt}`);
  return [
    { name: 'requests sent', value: sum(results.map(({ sent }) => sent)), unit: '' },
    { name: 'requests lost', value: sum(failures.map(([, { count }]) => count)), unit: '', target: { most: 0 } },
    { name: 'slowest answer', value: Math.max(...results.map(({ slowestMs }) => slowestMs)), unit: 'ms' },
    { name: 'rolling update', value: at.rolloutMs / 1000, unit: 's' },
    { name: 'pods that were replaced', value: at.waits.length, unit: '' },
    { name: 'a pod is deleted until no node leads to it, p50', value: quantile(at.waits, 0.5), unit: 'ms' },
    { name: 'a pod is deleted until no node leads to it, p99', value: quantile(at.waits, 0.99), unit: 'ms' },
  ];
}

try {
  sampan('up', '--name', NAME, '--port', PORT);
  const kubeconfig = readFileSync(`/var/lib/sampan/${NAME}/kubeconfig`, 'utf8');
  const read = (path: string) => readFileSync(path, 'utf8');
  const figures = await measure(createClient(httpsTransport(parseKubeconfig(kubeconfig, read))));
  printReport({
    title: `Rolling update of ${REPLICAS} pods under load, no preStop hook`,
    figures,
    notes: [`${RATE} requests a second from each of ${NODES.length} nodes, each over a connection of its own`],
  });
} finally {
  sampan('down', '--name', NAME);
}
