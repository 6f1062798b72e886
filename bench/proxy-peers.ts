import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endpointSlices } from '../src/api/kinds/endpointslice.ts';
import { nodes } from '../src/api/kinds/node.ts';
import { services } from '../src/api/kinds/service.ts';
import type { Client } from '../src/client/client.ts';
import { httpsTransport, parseKubeconfig } from '../src/client/https.ts';
import { createClient } from '../src/client/kube-client.ts';
import { quantile, residentBytes } from './lib.ts';
import { type ProbeAnswer, type ProbeRequest, wallMs } from './peers/probe.ts';
import { type Figure, printReport } from './report.ts';

/** Sampan's proxy and the stock kube-proxy, one after the other, at the same API server with the same Services. */
const SIZES = [1_000, 10_000];
const CHANGES = 8;
/** kube-proxy waits a second between two rounds: changes, there and back, come so far apart that none waits for another. */
const APART_MS = 2_500;
const CONNECTIONS = 3_000;
const CREATED_AT_ONCE = 64;
const CLUSTER = `bench${process.pid}`;
const NETNS = `sampan-${CLUSTER}-peer`;
const LAN = `sampan-${CLUSTER}-lan`;
const NODE = 'peer';
const ADDRESS = '10.89.0.200';
const CLUSTER_CIDR = '10.244.0.0/16';
const SERVICE_CIDR = '10.96.0.0/16';
const ENDPOINTS = ['10.244.77.1', '10.244.77.2'] as const;
const PORT = 8080;
const HERE = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const WORK = join(tmpdir(), 'sampan-peers');

interface Peer {
  readonly name: string;
  readonly command: readonly string[];
}

function sampan(...words: string[]): string {
  return execFileSync(HERE('../sampan'), words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: 'ignore' });
}

/** A namespace on the cluster's LAN, with the endpoints' addresses and a way to the Services. */
function makeNamespace(): void {
  ip('netns', 'add', NETNS);
  ip('-n', LAN, 'link', 'add', 'peer0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', NETNS);
  ip('-n', LAN, 'link', 'set', 'peer0', 'master', 'lan', 'up');
  ip('-n', NETNS, 'link', 'set', 'lo', 'up');
  ip('-n', NETNS, 'address', 'add', `${ADDRESS}/24`, 'dev', 'eth0');
  ip('-n', NETNS, 'link', 'set', 'eth0', 'up');
  ip('-n', NETNS, 'route', 'add', SERVICE_CIDR, 'dev', 'eth0', 'src', ADDRESS);
  for (const endpoint of ENDPOINTS) ip('-n', NETNS, 'address', 'add', `${endpoint}/32`, 'dev', 'lo');
}

function inside(command: readonly string[]): string[] {
  return [`--net=/run/netns/${NETNS}`, '--', ...command];
}

/** Builds the stock kube-proxy from the Go module beside this file; undefined where there is no Go. */
function buildKubeProxy(): string | undefined {
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) return undefined;
  const binary = join(WORK, 'kube-proxy');
  if (existsSync(binary)) return binary;
  console.error('building kube-proxy: this takes some minutes, once');
  const words = ['build', '-ldflags', '-X k8s.io/component-base/version.gitVersion=v1.35.0', '-o', binary, '.'];
  execFileSync('go', words, { cwd: HERE('peers/kube-proxy'), stdio: 'inherit' });
  return binary;
}

function peersOf(kubeconfig: string): Peer[] {
  const ours = [process.execPath, HERE('peers/sampan-proxy.ts'), kubeconfig, NODE, CLUSTER_CIDR, SERVICE_CIDR];
  const kubeProxy = buildKubeProxy();
  if (!kubeProxy) console.error('no Go on this machine: kube-proxy is not measured');
  const flags = ['--cluster-cidr', CLUSTER_CIDR, '--hostname-override', NODE, '--conntrack-max-per-core', '0'];
  const theirs = (mode: string) => ({
    name: `kube-proxy, ${mode}`,
    command: [kubeProxy!, '--kubeconfig', kubeconfig, '--proxy-mode', mode, ...flags],
  });
  return [{ name: 'Sampan, nftables', command: ours }, ...(kubeProxy ? [theirs('nftables'), theirs('iptables')] : [])];
}

class Probe {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor() {
    const command = inside([process.execPath, HERE('peers/probe.ts')]);
    this.#child = spawn('nsenter', command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#ended = once(this.#child, 'exit').then(() => Promise.reject(new Error('the probe ended')));
    this.#ended.catch(() => {});
  }

  async ask<T extends ProbeAnswer>(request: ProbeRequest): Promise<T> {
    this.#child.send(request);
    return (await Promise.race([once(this.#child, 'message'), this.#ended]))[0] as T;
  }

  stop(): void {
    this.#child.disconnect();
  }
}

const nameOf = (index: number) => `peer-${index}`;
const clusterIpOf = (index: number) => `10.96.${64 + (index >> 8)}.${index & 255}`;

/** Services without a selector, each with a slice made by hand. */
async function createServices(client: Client, { from, to }: { from: number; to: number }): Promise<void> {
  let next = from;
  const work = async () => {
    while (next < to) {
      const index = next++;
      const metadata = { name: nameOf(index), namespace: 'default' };
      const labels = { 'kubernetes.io/service-name': metadata.name };
      const spec = { clusterIP: clusterIpOf(index), ports: [{ port: 80, targetPort: PORT }] };
      await client.create(services, { metadata, spec });
      await client.create(endpointSlices, { metadata: { ...metadata, labels }, addressType: 'IPv4', ...leadsTo(0) });
    }
  };
  await Promise.all(Array.from({ length: CREATED_AT_ONCE }, work));
}

function leadsTo(endpoint: number) {
  return {
    ports: [{ name: '', port: PORT, protocol: 'TCP' as const }],
    endpoints: [{ addresses: [ENDPOINTS[endpoint]!], conditions: { ready: true } }],
  };
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function changeLatencies(client: Client, { probe, count }: { probe: Probe; count: number }): Promise<number[]> {
  const samples: number[] = [];
  for (let change = 1; change <= CHANGES; change++) {
    await wait(APART_MS);
    const index = (change * 7919) % count;
    const request = { ips: [clusterIpOf(index)], port: 80, text: ENDPOINTS[1] };
    const arrived = probe.ask<{ atMs: number }>({ do: 'await', ...request });
    const start = wallMs();
    const key = { name: nameOf(index), namespace: 'default' };
    await client.patch(endpointSlices, key, { type: 'merge', body: leadsTo(1) });
    samples.push((await arrived).atMs - start);
    await client.patch(endpointSlices, key, { type: 'merge', body: leadsTo(0) });
  }
  return samples;
}

/** How long a connection takes by a Service and directly, in turns. */
async function connectTimes(probe: Probe): Promise<{ service: number[]; direct: number[] }> {
  const times = { service: [] as number[], direct: [] as number[] };
  for (let round = 0; round < 4; round++) {
    const often = (at: { ip: string; port: number }) =>
      probe.ask<{ tookMs: number[] }>({ do: 'connect', ...at, count: CONNECTIONS / 4 });
    times.direct.push(...(await often({ ip: ENDPOINTS[0], port: PORT })).tookMs);
    times.service.push(...(await often({ ip: clusterIpOf(1), port: 80 })).tookMs);
  }
  return times;
}

async function measure(peer: Peer, client: Client, count: number): Promise<Figure[]> {
  const probe = new Probe();
  await probe.ask({ do: 'serve', ips: ENDPOINTS, port: PORT });
  const start = wallMs();
  const [program, ...words] = inside(peer.command);
  const child = spawn('nsenter', [program!, ...words], { stdio: 'ignore' });
  try {
    const ips = [0, count >> 1, count - 1].map(clusterIpOf);
    const { atMs } = await probe.ask<{ atMs: number }>({ do: 'await', ips, port: 80 });
    const changes = await changeLatencies(client, { probe, count });
    const { service, direct } = await connectTimes(probe);
    const name = `${count.toLocaleString('en-US')} Services, ${peer.name}`;
    const mean = (times: readonly number[]) => times.reduce((sum, ms) => sum + ms, 0) / times.length;
    return [
      { name: `${name}: start until all answer`, value: atMs - start, unit: 'ms' },
      { name: `${name}: endpoint changed until a connection arrives, p50`, value: quantile(changes, 0.5), unit: 'ms' },
      { name: `${name}: endpoint changed until a connection arrives, worst`, value: Math.max(...changes), unit: 'ms' },
      { name: `${name}: connections a second by the Service`, value: 1000 / mean(service), unit: '/s' },
      { name: `${name}: connections a second directly`, value: 1000 / mean(direct), unit: '/s' },
      { name: `${name}: first answer by the Service, p50`, value: quantile(service, 0.5) * 1000, unit: 'µs' },
      { name: `${name}: first answer directly, p50`, value: quantile(direct, 0.5) * 1000, unit: 'µs' },
      { name: `${name}: resident memory`, value: residentBytes(child.pid) / 2 ** 20, unit: 'MiB' },
    ];
  } finally {
    probe.stop();
    const ended = once(child, 'exit');
    child.kill();
    await ended;
    cleanRules();
  }
}

/** A peer that is too slow at a size is told, and the others go on. */
async function measureOrTell(peer: Peer, client: Client, count: number): Promise<Figure[]> {
  try {
    const figures = await measure(peer, client, count);
    for (const { name, value, unit } of figures) console.error(`${name}: ${value.toPrecision(4)} ${unit}`);
    return figures;
  } catch (error) {
    console.error(`${count} Services, ${peer.name}: ${(error as Error).message}`);
    return [];
  }
}

/** The namespace is ours alone. */
function cleanRules(): void {
  spawnSync('nsenter', inside(['nft', 'flush', 'ruleset']), { stdio: 'ignore' });
  spawnSync('nsenter', inside(['sh', '-c', 'for t in nat filter mangle; do iptables-nft -t $t -F; done']), {
    stdio: 'ignore',
  });
}

/** The cluster's own node would program the Services too, beside the proxy that is measured: its agent ends. */
async function withoutAgent(client: Client): Promise<void> {
  const file = readFileSync(`/run/sampan/${CLUSTER}/nodes/node-1/agent.pid`, 'utf8');
  process.kill((JSON.parse(file) as { pid: number }).pid);
  await client.delete(nodes, { name: 'node-1' });
  await client.create(nodes, { metadata: { name: NODE }, spec: { podCIDR: '10.244.77.0/24' } });
  const status = { addresses: [{ type: 'InternalIP', address: ADDRESS }] };
  await client.patch(nodes, { name: NODE }, { type: 'merge', body: { status }, subresource: 'status' });
}

async function main(): Promise<Figure[]> {
  mkdirSync(WORK, { recursive: true });
  sampan('up', '--name', CLUSTER, '--port', '16443', '--nodes', '1');
  makeNamespace();
  const read = (path: string) => readFileSync(path, 'utf8');
  const kubeconfig = read(`/var/lib/sampan/${CLUSTER}/kubeconfig`);
  const peerConfig = join(WORK, 'kubeconfig');
  writeFileSync(peerConfig, kubeconfig.replace('https://127.0.0.1:16443', 'https://10.89.0.1:6443'), { mode: 0o600 });
  const client = createClient(httpsTransport(parseKubeconfig(kubeconfig, read)));
  await withoutAgent(client);
  const peers = peersOf(peerConfig);
  const figures: Figure[] = [];
  let present = 0;
  for (const count of SIZES) {
    await createServices(client, { from: present, to: count });
    present = count;
    for (const peer of peers) figures.push(...(await measureOrTell(peer, client, count)));
  }
  return figures;
}

try {
  const notes = [
    'a change is timed from the write to the API until a connection by the Service arrives at the new endpoint',
    'endpoints are in the namespace of the proxy; kube-proxy runs with its default settings',
  ];
  printReport({ title: "Sampan's proxy and kube-proxy 1.35", figures: await main(), notes });
} finally {
  spawnSync('ip', ['netns', 'delete', NETNS], { stdio: 'ignore' });
  sampan('down', '--name', CLUSTER);
}
