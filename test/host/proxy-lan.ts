import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/host/exec.ts';
import { addNetns, deleteNetns, ipBatch, netnsPath, setSysctls } from '../../src/host/netns.ts';
import { toIpv4, toIpv6 } from '../../src/proxy/contract.ipv6.fixture.ts';
import { PORTS, type Source, world } from '../../src/proxy/contract.ts';
import type { Family } from '../../src/servicemap/endpoint.ts';
import type { PeerAnswer, PeerRequest } from './netns-peer.ts';

const PEER = fileURLToPath(new URL('netns-peer.ts', import.meta.url));
const SOURCES = ['pod-a', 'pod-b', 'node', 'other-node', 'outside'] as const;

const SYSCTLS = {
  'net/ipv6/conf/all/disable_ipv6': 0,
  'net/ipv6/conf/default/disable_ipv6': 0,
  'net/ipv6/conf/all/accept_dad': 0,
  'net/ipv6/conf/default/accept_dad': 0,
  'net/ipv6/conf/all/forwarding': 1,
  // A pod that reaches itself is sent redirects, which use up the rate of the errors that refuse its next packets.
  'net/ipv6/icmp/ratelimit': 0,
  'net/ipv4/ip_forward': 1,
  'net/ipv4/conf/all/rp_filter': 0,
  'net/ipv4/conf/default/rp_filter': 0,
  // A pod that reaches itself gets no redirect; after one, the kernel would keep errors from it for a second.
  'net/ipv4/conf/all/send_redirects': 0,
  'net/ipv4/conf/default/send_redirects': 0,
};

/** Addresses that are used at once, without asking whether somebody else has them. */
const QUICK_IPV6 = {
  'net/ipv6/conf/all/disable_ipv6': 0,
  'net/ipv6/conf/default/disable_ipv6': 0,
  'net/ipv6/conf/all/accept_dad': 0,
  'net/ipv6/conf/default/accept_dad': 0,
};

/** A process inside a network namespace that serves, asks and sets rules there. */
class Peer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: PeerAnswer) => void>();
  readonly #family: Family;
  #last = 0;

  constructor(netns: string, family: Family) {
    this.#family = family;
    const command = [`--net=${netnsPath(netns)}`, '--', process.execPath, PEER];
    this.#child = spawn('nsenter', command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', ({ id, answer }: { id: number; answer: PeerAnswer }) => this.#waiting.get(id)?.(answer));
    this.#child.on('exit', () => {
      for (const answer of [...this.#waiting.values()]) answer({ error: 'the process has ended' });
    });
  }

  request(request: PeerRequest): Promise<PeerAnswer> {
    return this.#family === 4 ? this.#send(request) : this.#send(translated(request)).then(toIpv4);
  }

  #send(request: PeerRequest): Promise<PeerAnswer> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (answer) => {
        this.#waiting.delete(id);
        if ('error' in answer) reject(new Error(`${request.do}: ${answer.error}`));
        else resolve(answer);
      });
      this.#child.send({ id, request });
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.disconnect();
    await exit;
  }
}

/** A mode knows addresses of both families apart. */
function translated(request: PeerRequest): PeerRequest {
  if (!('options' in request)) return toIpv6(request);
  const { addresses } = request.options;
  return { ...request, options: { ...request.options, addresses: { ...addresses, ipv6: toIpv6(addresses) } } };
}

/** The contract's world in network namespaces: this node with two pods, another node with one, and a machine outside. */
export class ProxyLan {
  readonly #prefix: string;
  readonly #family: Family;
  readonly #peers = new Map<Source, Peer>();

  /** With IPv6, whoever asks still speaks of the contract's addresses: requests and answers are translated. */
  constructor(prefix: string, family: Family = 4) {
    this.#prefix = prefix;
    this.#family = family;
  }

  netns(source: Source): string {
    return `${this.#prefix}-${source}`;
  }

  async start(): Promise<void> {
    for (const source of SOURCES) await addNetns(this.netns(source));
    for (const source of SOURCES) await setSysctls(this.netns(source), source.startsWith('pod') ? QUICK_IPV6 : SYSCTLS);
    const lines = network((name) => this.netns(name));
    for (const [source, own] of lines)
      await ipBatch(this.#family === 4 ? own : own.map(toIpv6Line), this.netns(source));
    for (const source of SOURCES) this.#peers.set(source, new Peer(this.netns(source), this.#family));
    await Promise.all([
      this.serve('node', 'host-pod'),
      this.serve('pod-a', 'pod-a'),
      this.serve('pod-b', 'pod-b'),
      this.serve('other-node', 'pod-c'),
    ]);
  }

  peer(source: Source): Peer {
    return this.#peers.get(source)!;
  }

  async serve(source: Source, pod: keyof typeof world.pods): Promise<void> {
    const ip = world.pods[pod];
    for (const protocol of ['TCP', 'UDP'] as const)
      await this.peer(source).request({ do: 'serve', protocol, ip, port: PORTS[protocol] });
  }

  /** All packet rules of this node, as the programs that are installed show them. */
  async rules(): Promise<string> {
    const script = '(nft list ruleset; iptables-legacy-save; ipvsadm -Sn; ip -o address) 2>&1; true';
    return (await run(['nsenter', `--net=${netnsPath(this.netns('node'))}`, '--', 'sh', '-c', script])).stdout;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#peers.values()].map((peer) => peer.stop()));
    for (const source of SOURCES) await deleteNetns(this.netns(source));
  }
}

/** The same command in IPv6, where a link's own address is what a gateway is known by. */
function toIpv6Line(line: string): string {
  const plain = line
    .replace('169.254.1.1/32', 'fe80::1/64')
    .replaceAll('169.254.1.1', 'fe80::1')
    .replace('unreachable default', 'unreachable ::/0');
  return plain.includes('fe80') && plain.startsWith('route add fe80::1') ? 'link set eth0 up' : toIpv6(plain);
}

/** `ip` commands, in order: who makes a link pair comes before who uses its other end. */
function network(netns: (source: Source) => string): [Source, string[]][] {
  const { nodeIp, otherNodeIp, outsideIp, serviceCidr, pods } = world;
  const link = (name: string, of: Source) => [
    `link add ${name} type veth peer name eth0 netns ${netns(of)}`,
    `link set ${name} up`,
  ];
  const own = (address: string) => ['link set lo up', `address add ${address} dev eth0`, 'link set eth0 up'];
  const onLan = (name: 'node' | 'other-node') => [...link(`to-${name}`, name), `link set to-${name} master lan`];
  const toPod = (name: 'pod-a' | 'pod-b') => [
    ...link(name, name),
    `address add 169.254.1.1/32 dev ${name}`,
    `route add ${pods[name]} dev ${name}`,
  ];
  const pod = (name: 'pod-a' | 'pod-b') => [
    ...own(`${pods[name]}/32`),
    'route add 169.254.1.1 dev eth0',
    'route add default via 169.254.1.1 dev eth0',
  ];
  const bridge = [
    'link set lo up',
    'link add lan type bridge',
    `address add ${outsideIp}/24 dev lan`,
    'link set lan up',
  ];
  const toServices = [`route add ${serviceCidr} via ${nodeIp}`, `route add 192.0.2.0/24 via ${nodeIp}`];
  const noWayOut = 'route add unreachable default';
  return [
    ['outside', [...bridge, ...onLan('node'), ...onLan('other-node'), ...toServices, noWayOut]],
    [
      'node',
      [
        ...own(`${nodeIp}/24`),
        ...toPod('pod-a'),
        ...toPod('pod-b'),
        `route add ${pods['pod-c']} via ${otherNodeIp}`,
        `route add ${serviceCidr} dev eth0 src ${nodeIp}`,
        `route add 192.0.2.0/24 dev eth0 src ${nodeIp}`,
        noWayOut,
      ],
    ],
    ['pod-a', pod('pod-a')],
    ['pod-b', pod('pod-b')],
    [
      'other-node',
      [
        ...own(`${otherNodeIp}/24`),
        `address add ${pods['pod-c']}/32 dev lo`,
        `route add 10.244.1.0/24 via ${nodeIp}`,
        noWayOut,
      ],
    ],
  ];
}
