import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import type { UdpFlow } from '../../src/host/conntrack.ts';
import { listNetns } from '../../src/host/netns.ts';
import type { BackendOptions } from '../../src/proxy/backends.ts';
import { type Skips, testContract } from '../../src/proxy/contract.fixture.ts';
import { contract, type Flow, PORTS, type PodName, type Source, world } from '../../src/proxy/contract.ts';
import type { ModeChoice, ModeName } from '../../src/proxy/mode.ts';
import type { Family } from '../../src/servicemap/endpoint.ts';
import { ServiceMap } from '../../src/servicemap/service-map.ts';
import type { ServicePort } from '../../src/servicemap/service-port.ts';
import type { PeerAnswer } from './netns-peer.ts';
import { ProxyLan } from './proxy-lan.ts';

const TRIES_MAX = 60;
const DROP_MS = 300;
/** Longer than any of these connections takes: only a lost packet comes to it. */
const ANSWER_MS = 5000;
const SKIPS = { SCTP: 'Node has no SCTP sockets: its rules are followed by the tracer alone' };

export interface ModeTestOptions {
  readonly mode: ModeName;
  readonly options?: Pick<BackendOptions, 'iptables'>;
  /** Programs that must be installed. */
  readonly programs?: readonly string[];
  readonly skips?: Skips;
  /** Endpoints see the node as their client, whatever the contract says: connections end in a process of the node. */
  readonly relays?: true;
  /** What sends a UDP client to its endpoint forgets it by itself when that is gone. */
  readonly forgetsUdp?: true;
  /** IPv4 when absent. */
  readonly family?: Family;
}

/** What keeps tests with real packets from running here; undefined when nothing does. */
export function whyNot(programs: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = ['ip', 'nsenter', ...programs].filter((program) => {
    try {
      execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
  return missing.length > 0 ? `needs ${missing.join(', ')}` : undefined;
}

/** The contract with real packets between namespaces, and what else every mode has to do. */
export function testMode(options: ModeTestOptions): void {
  const { mode, options: backend = {}, programs = [], skips = {}, relays, forgetsUdp, family = 4 } = options;
  const title = [mode, ...Object.values(backend), ...(family === 6 ? ['IPv6'] : [])].join(' ');
  describe(`proxy mode ${title} with real packets`, { skip: whyNot(programs) ?? false, timeout: 240_000 }, () => {
    const bench = new ModeBench(`sptest-${process.pid}-${title.replaceAll(' ', '-')}`, { relays, family });
    before(() => bench.start({ mode }, backend));
    after(() => bench.stop());
    testContract((flow) => bench.check(flow), { ...SKIPS, ...skips });
    it('a client that stays with an endpoint moves on when it is gone, and then stays there', () => bench.moveOn());
    it('a UDP client moves on when its endpoint is gone', () => (forgetsUdp ? bench.moveUdp() : bench.forgetUdp()));
    it('a Service that the kernel refuses is named, and left out alone', () => bench.leaveOut());
    it('cleanup: nothing is left', () => bench.cleanup());
  });
}

/** The contract's world with one mode of the proxy in it. */
export class ModeBench {
  readonly lan: ProxyLan;
  readonly #prefix: string;
  readonly #map = new ServiceMap({ name: world.nodeName });
  readonly #relays: boolean;
  readonly #family: Family;

  constructor(prefix: string, { relays = false, family = 4 }: { relays?: boolean | undefined; family?: Family } = {}) {
    this.#prefix = prefix;
    this.lan = new ProxyLan(prefix, family);
    this.#relays = relays;
    this.#family = family;
  }

  async start({ mode, scheduler }: ModeChoice, options: Pick<BackendOptions, 'iptables'>): Promise<void> {
    await this.lan.start();
    for (const { services, slices } of contract) {
      for (const service of services) this.#map.setService(service);
      for (const slice of slices) this.#map.setSlice(slice);
    }
    const addresses = { ...world, nodeIps: [world.nodeIp] };
    const opened = await this.lan
      .peer('node')
      .request({ do: 'open', choice: scheduler ? { mode, scheduler } : { mode }, options: { ...options, addresses } });
    assert.deepEqual(opened, { text: mode }, 'it fell back to another mode');
    await this.program('reset');
  }

  async stop(): Promise<void> {
    await this.lan.stop();
    assert.deepEqual(listNetns(this.#prefix), []);
  }

  /** Brings what changed (or everything) into the node; resolves with UDP flows that lead nowhere now. */
  async program(how: 'reset' | 'update'): Promise<UdpFlow[]> {
    const changes = how === 'reset' ? this.#map.snapshot() : this.#map.takeChanges();
    if (how === 'reset') this.#map.takeChanges();
    const answer = await this.lan.peer('node').request({ do: how, changes: [...changes] });
    return JSON.parse((answer as { text: string }).text) as UdpFlow[];
  }

  #ask({ from, to, port, protocol, expect }: Flow): Promise<PeerAnswer> {
    const timeoutMs = expect === 'drop' ? DROP_MS : ANSWER_MS;
    return this.lan.peer(from).request({ do: 'ask', protocol, ip: to, port, timeoutMs });
  }

  /** Who answered, and whom they saw; asks until all that are expected have been heard. */
  async hear(flow: Flow, expected: readonly string[]): Promise<string[]> {
    const heard = new Set<string>();
    for (let tries = 0; tries < TRIES_MAX && !(tries >= 8 && expected.every((one) => heard.has(one))); tries++) {
      const answer = await this.#ask(flow);
      heard.add('text' in answer ? answer.text : JSON.stringify(answer));
    }
    return [...heard].sort();
  }

  async check(flow: Flow): Promise<void> {
    const { expect } = flow;
    if (typeof expect === 'string') return assert.deepEqual(await this.#ask(flow), { failed: expect });
    const expected = expect.endpoints.map((pod) => this.#answer(pod, flow.from, expect.source));
    const heard = await this.hear(flow, expect.sticky ? ['nobody'] : expected);
    if (!expect.sticky) return assert.deepEqual(heard, expected.sort());
    assert.equal(heard.length, 1);
    assert.ok(expected.includes(heard[0]!), heard[0]);
  }

  /** A Service of the contract from now on has these endpoints, on this node. */
  async setEndpoints(name: string, addresses: readonly string[]): Promise<void> {
    const slice = contract.flatMap(({ slices }) => slices).find(({ metadata }) => metadata.name === `${name}-1`)!;
    const endpoints = addresses.map((address) => ({ addresses: [address], nodeName: world.nodeName }));
    this.#map.setSlice({ ...slice, endpoints });
    await this.program('update');
  }

  /** What an endpoint tells: itself, and whom it sees. */
  #answer(pod: PodName, from: Source, source: 'client' | 'node' = 'client'): string {
    const clients = { ...world.pods, node: world.nodeIp, 'other-node': world.otherNodeIp, outside: world.outsideIp };
    // In IPv4, a pod that is sent to itself, or to its neighbour, sees the node by its address on the link between them.
    const node = this.#family === 4 && (pod === 'pod-a' || pod === 'pod-b') ? '169.254.1.1' : world.nodeIp;
    return `${world.pods[pod]} ${source === 'client' && !this.#relays ? clients[from] : node}`;
  }

  /** A Service of the contract, whose endpoints `only` these pods are from now on. */
  #served(name: string) {
    const service = contract.flatMap(({ services }) => services).find(({ metadata }) => metadata.name === name)!;
    const slice = contract.flatMap(({ slices }) => slices).find(({ metadata }) => metadata.name === `${name}-1`)!;
    const only = async (...pods: (keyof typeof world.pods)[]) => {
      const ips: readonly string[] = pods.map((pod) => world.pods[pod]);
      this.#map.setSlice({ ...slice, endpoints: slice.endpoints!.filter((one) => ips.includes(one.addresses[0]!)) });
      return this.program('update');
    };
    return { to: service.spec!.clusterIPs![0]!, only };
  }

  async moveOn(): Promise<void> {
    const { to, only } = this.#served('sticky');
    const flow: Flow = { from: 'pod-a', to, port: 80, protocol: 'TCP', expect: 'reject' };
    for (const [pods, stays] of [
      [['pod-b'], 'pod-b'],
      [['pod-c'], 'pod-c'],
      [['pod-b', 'pod-c'], 'pod-c'],
    ] as const) {
      await only(...pods);
      assert.deepEqual(await this.hear(flow, ['nobody']), [this.#answer(stays, 'pod-a')]);
    }
  }

  async forgetUdp(): Promise<void> {
    const { to, only } = this.#served('udp');
    await only('pod-b');
    assert.deepEqual(await this.#askUdp(to), { text: this.#answer('pod-b', 'pod-a') });
    const flows = await only('pod-c');
    const gone = { frontendIp: to, frontendPort: 80, endpointIp: world.pods['pod-b'], endpointPort: PORTS.UDP };
    assert.deepEqual(flows, [gone]);
    // The kernel still sends this client where it sent it before.
    assert.deepEqual(await this.#askUdp(to), { text: this.#answer('pod-b', 'pod-a') });
    const forgotten = await this.lan.peer('node').request({ do: 'forget', flows });
    assert.ok('text' in forgotten && Number(forgotten.text) >= 1);
    assert.deepEqual(await this.#askUdp(to), { text: this.#answer('pod-c', 'pod-a') });
  }

  async moveUdp(): Promise<void> {
    const { to, only } = this.#served('udp');
    await only('pod-b');
    assert.deepEqual(await this.#askUdp(to), { text: this.#answer('pod-b', 'pod-a') });
    await only('pod-c');
    assert.deepEqual(await this.#askUdp(to), { text: this.#answer('pod-c', 'pod-a') });
  }

  /** Always from the same port: one exchange, for the kernel and for the proxy. */
  #askUdp(to: string): Promise<PeerAnswer> {
    const request = { do: 'ask', protocol: 'UDP', ip: to, port: 80, fromPort: 40000, timeoutMs: ANSWER_MS } as const;
    return this.lan.peer('pod-a').request(request);
  }

  /** Its port is none: no mode can have it. The others are there, and the bad one is not in their way later. */
  async leaveOut(): Promise<void> {
    const changes = [...this.#map.snapshot()];
    const [port] = changes.find(([key]) => key === 'contract/plain')![1] as [ServicePort];
    const bad = { ...port, key: 'contract/bad:main', clusterIps: ['10.96.99.9'], port: 70_000 };
    const services = [...changes.slice(0, 3), ['contract/bad', [bad]] as const, ...changes.slice(3)];
    const refused = await this.lan.peer('node').request({ do: 'apply', changes: services });
    assert.deepEqual(refused, { text: '["contract/bad"]' });
    const answers = await this.hear(
      { from: 'pod-a', to: '10.96.1.15', port: 80, protocol: 'TCP', expect: 'reject' },
      [],
    );
    assert.deepEqual(answers, [this.#answer('pod-b', 'pod-a')]);
  }

  async cleanup(): Promise<void> {
    await this.lan.peer('node').request({ do: 'cleanup' });
    assert.doesNotMatch(await this.lan.rules(), /KUBE|sampan/);
  }
}
