import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BackendOptions } from '../src/proxy/backends.ts';
import type { ModeName } from '../src/proxy/mode.ts';
import { BENCH_LAN } from './proxy-lan.ts';
import { type Figure, printReport } from './report.ts';

/** All modes of the proxy over the real kernel: everything at once, one endpoint after the other, and connections through it. */
interface Candidate {
  readonly mode: ModeName;
  readonly options?: Pick<BackendOptions, 'iptables'>;
  readonly sizes: readonly number[];
}

const CANDIDATES: readonly Candidate[] = [
  { mode: 'nftables', sizes: [100, 1_000, 10_000] },
  // With ten times as many, the kernel takes minutes to check the jumps of this one.
  { mode: 'iptables', options: { iptables: 'nft' }, sizes: [100, 1_000] },
  { mode: 'iptables', options: { iptables: 'legacy' }, sizes: [100, 1_000, 10_000] },
  { mode: 'userspace', sizes: [100, 1_000] },
  { mode: 'ipvs', sizes: [100, 1_000, 10_000] },
];
const CHANGES = 30;
const CONNECTIONS = 2_000;

interface Measured {
  readonly mode: ModeName;
  readonly syncMs: number;
  readonly changesMs: { readonly p50: number; readonly p99: number };
  readonly residentMiB: number;
}

/** A part of the benchmark in a network namespace of its own. */
class Peer {
  readonly #child: ChildProcess;

  constructor(netns: string, role: 'node' | 'pod' | 'client') {
    const file = fileURLToPath(new URL('proxy-peer.ts', import.meta.url));
    const command = [`--net=/run/netns/${netns}`, '--', process.execPath, file, role];
    this.#child = spawn('nsenter', command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  async ask<T>(message: object): Promise<T> {
    const done = new AbortController();
    const { signal } = done;
    const answer = Promise.race([
      once(this.#child, 'message', { signal }),
      once(this.#child, 'exit', { signal }).then(() => Promise.reject(new Error('a part of the benchmark ended'))),
    ]);
    this.#child.send(message);
    const [result] = (await answer) as [T & { error?: string }];
    done.abort();
    if (result.error) throw new Error(result.error);
    return result;
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill();
    await exit;
  }
}

async function measure(candidate: Candidate, size: number, client: Peer): Promise<Figure[]> {
  const { mode, options = {} } = candidate;
  const node = new Peer(BENCH_LAN.node, 'node');
  try {
    const measured = await node.ask<Measured>({ do: 'measure', mode, options, size, changes: CHANGES });
    // The kernel has none: what would be measured is the mode that stands in for it.
    if (measured.mode !== mode) return [];
    const rate = await connectionRate(client, { ip: BENCH_LAN.serviceIp, port: 80 });
    await node.ask({ do: 'cleanup' });
    const name = `${[mode, ...Object.values(options)].join(' ')}, ${size.toLocaleString('en-US')} Services`;
    return [
      { name: `${name}: full sync`, value: measured.syncMs, unit: 'ms' },
      { name: `${name}: one endpoint changed, p50`, value: measured.changesMs.p50, unit: 'ms' },
      { name: `${name}: one endpoint changed, p99`, value: measured.changesMs.p99, unit: 'ms' },
      { name: `${name}: resident memory of the process`, value: measured.residentMiB, unit: 'MiB' },
      { name: `${name}: connections to the last Service`, value: rate, unit: '/s' },
    ];
  } finally {
    await node.stop();
  }
}

async function connectionRate(client: Peer, to: { ip: string; port: number }): Promise<number> {
  return (await client.ask<{ rate: number }>({ ...to, count: CONNECTIONS })).rate;
}

async function measureAll(): Promise<Figure[]> {
  const [pod, client] = [new Peer(BENCH_LAN.pod, 'pod'), new Peer(BENCH_LAN.client, 'client')];
  try {
    await pod.ask({});
    // The first connections are slower than those that follow.
    await connectionRate(client, { ip: BENCH_LAN.podIp, port: BENCH_LAN.podPort });
    const direct = await connectionRate(client, { ip: BENCH_LAN.podIp, port: BENCH_LAN.podPort });
    const figures: Figure[] = [{ name: 'straight to the pod: connections', value: direct, unit: '/s' }];
    for (const candidate of CANDIDATES)
      for (const size of candidate.sizes) figures.push(...(await measure(candidate, size, client)));
    return figures;
  } finally {
    await Promise.all([pod.stop(), client.stop()]);
  }
}

const { node, pod, client, commands } = BENCH_LAN;
for (const name of [node, pod, client]) execFileSync('ip', ['netns', 'add', name]);
try {
  for (const [netns, lines] of commands)
    execFileSync('ip', ['-n', netns, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  const forward = 'echo 1 > /proc/sys/net/ipv4/ip_forward';
  execFileSync('nsenter', [`--net=/run/netns/${node}`, '--', 'sh', '-c', forward]);
  const notes = [
    'a change replaces one of two endpoints; planning, the program or library and the kernel are all in the time',
    'a client in another namespace opens 16 connections at a time; client, pod and userspace proxy are Node programs on the same machine',
    'a mode that the kernel does not have is left out',
  ];
  printReport({ title: 'Modes of the Service proxy', figures: await measureAll(), notes });
} finally {
  for (const name of [client, pod, node]) execFileSync('ip', ['netns', 'delete', name]);
}
