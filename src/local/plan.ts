import { join } from 'node:path';
import { cidrAddress, cidrSize, formatIp, parseCidr } from '../lib/ip.ts';
import { lanIpv6, type NetworkOptions, type NetworksPlan, planNetworks } from './networks.ts';

export type ClusterOptions = NetworkOptions & {
  /** A DNS label of at most 30 characters. */
  name: string;
  nodes: number;
  /** Port of 127.0.0.1 that the API server answers at. */
  port: number;
  /** Nodes without containers, beside the others. */
  fakeNodes?: number;
  /** `/var/lib/sampan` and `/run/sampan`, but in tests. */
  /** {@link ClusterPlan.proxyMode} */
  proxyMode?: string | undefined;
  /** {@link ClusterPlan.nodePortAddresses} */
  nodePortAddresses?: string | undefined;
  roots?: { state: string; run: string };
};

/** Everything that a cluster on one machine consists of, decided before anything is done. */
export interface ClusterPlan extends NetworksPlan {
  readonly name: string;
  readonly port: number;
  readonly directories: ClusterDirectories;
  readonly lan: LanPlan;
  readonly nodes: readonly NodePlan[];
  /** Modes of the nodes' Service proxies: one for all, and others by node (`iptables,node-2=userspace`). */
  readonly proxyMode: string | undefined;
  readonly nodeCidrPrefix: number;
  /** `primary`, or networks of the nodes' addresses that node ports answer at. */
  readonly nodePortAddresses: string | undefined;
  readonly clusterDomain: string;
  /** Addresses of the LAN that Services of type LoadBalancer get: `first-last`. */
  readonly loadBalancerPool: string;
  readonly gateway: GatewayPlan;
  /** cgroup path of all pods, below each hierarchy's root. */
  readonly cgroup: string;
  readonly server: ProcessPlan;
  /** One process for all nodes whose pods are only recorded. */
  readonly fakeNodes: ProcessPlan & { readonly count: number };
  readonly kubeconfig: string;
  /** What `up` was asked for, so that the next `up` agrees with it. */
  readonly record: string;
}

export interface ClusterDirectories {
  /** Survives a reboot: the store, certificates, containers' content, logs. */
  readonly state: string;
  /** Gone at a reboot: sockets, process ids, configuration of the running programs. */
  readonly run: string;
  readonly pki: string;
  readonly logs: string;
  readonly store: string;
}

/** The loopback addresses of the machine that stand for the cluster's. */
export interface GatewayPlan {
  /** Of the nodes and load balancers, and of the Services. */
  readonly lan: string;
  readonly services: string;
  readonly nameServer: string;
  readonly domain: string;
}

/** The network that joins the nodes: a bridge in a network namespace of its own. */
export interface LanPlan {
  readonly netns: string;
  readonly bridge: string;
  /** Address of the bridge, where the API server listens. */
  readonly address: string;
  readonly prefix: number;
  readonly broadcast: string;
  readonly apiPort: number;
}

export interface NodePlan {
  readonly name: string;
  readonly netns: string;
  readonly ip: string;
  /** In a cluster of both families. */
  readonly ipv6: string | undefined;
  /** Name of the node's link in the LAN's namespace. */
  readonly lanLink: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly cniConfDir: string;
  readonly proxyMode: string;
  readonly cgroup: string;
  readonly containerd: ContainerdPlan;
  readonly agent: ProcessPlan & { readonly stateDir: string };
}

export interface ContainerdPlan extends ProcessPlan {
  readonly root: string;
  readonly state: string;
  readonly socket: string;
}

/** A process that outlives the command that starts it. */
export interface ProcessPlan {
  readonly configFile: string;
  readonly logFile: string;
  /** Holds the process's id and start time. */
  readonly pidFile: string;
}

/** Names that stand for something else below the state root. */
const RESERVED = ['images', 'kubectl'];
const NODES_MAX = 100;
/** As many as have pod addresses. */
const FAKE_NODES_MAX = 20_000;
const LAN_BYTE = 89;
const LAN_CIDR = parseCidr(`10.${LAN_BYTE}.0.0/24`)!;
const FIRST_NODE = 11;
const NAME_SERVER = 53;
/** First and last host number for load balancer addresses: above all nodes. */
const BALANCED = [200, 250];

/** Where clusters live. */
export const CLUSTER_ROOTS = { state: '/var/lib/sampan', run: '/run/sampan' } as const;

/** Pure. Throws a readable error for options that cannot be. */
export function planCluster(options: ClusterOptions): ClusterPlan {
  checkOptions(options);
  const { name, nodes, port, fakeNodes = 0, proxyMode, roots = CLUSTER_ROOTS } = options;
  const directories = planDirectories(join(roots.state, name), join(roots.run, name));
  const { state, run, logs } = directories;
  const cgroup = `sampan-${name}`;
  const networks = planNetworks(options);
  const common = { cluster: name, state, run, logs, cgroup, proxyMode, hasIpv6: networks.ipv6 !== undefined };
  return {
    ...networks,
    name,
    port,
    directories,
    lan: {
      netns: `sampan-${name}-lan`,
      bridge: 'lan',
      address: formatIp(cidrAddress(LAN_CIDR, 1)),
      prefix: LAN_CIDR.prefix,
      broadcast: formatIp(cidrAddress(LAN_CIDR, cidrSize(LAN_CIDR) - 1n)),
      apiPort: 6443,
    },
    nodes: Array.from({ length: nodes }, (_, index) => planNode({ ...common, index })),
    proxyMode,
    nodeCidrPrefix: 24,
    nodePortAddresses: options.nodePortAddresses,
    clusterDomain: 'cluster.local',
    loadBalancerPool: BALANCED.map((index) => formatIp(cidrAddress(LAN_CIDR, index))).join('-'),
    gateway: planGateway(name),
    cgroup,
    server: planProcess('server', { run, logs }),
    fakeNodes: { ...planProcess('fake-nodes', { run, logs }), count: fakeNodes },
    kubeconfig: join(state, 'kubeconfig'),
    record: join(state, 'cluster.json'),
  };
}

function checkOptions({ name, nodes, port, fakeNodes = 0 }: ClusterOptions): void {
  checkClusterName(name);
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > NODES_MAX)
    throw new Error(`number of nodes: expected 1 to ${NODES_MAX}, actual: ${nodes}`);
  if (!Number.isInteger(fakeNodes) || fakeNodes < 0 || fakeNodes > FAKE_NODES_MAX)
    throw new Error(`number of fake nodes: expected 0 to ${FAKE_NODES_MAX}, actual: ${fakeNodes}`);
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new Error(`port of the API server: expected 1 to 65535, actual: ${port}`);
}

/** Throws unless the name can be a cluster's. */
export function checkClusterName(name: string): void {
  if (!/^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$/.test(name) || RESERVED.includes(name))
    throw new Error(
      `cluster name ${JSON.stringify(name)}: expected at most 30 of a-z, 0-9 and "-", beginning and ending with a letter or digit, and none of: ${RESERVED.join(', ')}`,
    );
}

/** Second bytes of 127.0.0.0/8 for the first cluster: those of its own addresses; others get a pair by their name. */
const DEFAULT_BYTES = { name: 'dev', lan: LAN_BYTE, services: 96 };
const PAIRS = 75;
const FIRST_PAIR = 100;

function planGateway(name: string): GatewayPlan {
  const pair = FIRST_PAIR + 2 * (hash(name) % PAIRS);
  const { lan, services } = name === DEFAULT_BYTES.name ? DEFAULT_BYTES : { lan: pair, services: pair + 1 };
  const domain = name === DEFAULT_BYTES.name ? 'sampan.local' : `${name}.sampan.local`;
  return {
    lan: `127.${lan}.0.0/24`,
    services: `127.${services}.0.0/16`,
    nameServer: `127.${lan}.0.${NAME_SERVER}`,
    domain,
  };
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  return [...text].reduce((value, letter) => Math.imul(value ^ letter.charCodeAt(0), 0x01000193) >>> 0, 0x811c9dc5);
}

function planDirectories(state: string, run: string): ClusterDirectories {
  return { state, run, pki: join(state, 'pki'), logs: join(state, 'logs'), store: join(state, 'server') };
}

function planNode(options: {
  cluster: string;
  index: number;
  state: string;
  run: string;
  logs: string;
  cgroup: string;
  proxyMode: string | undefined;
  hasIpv6: boolean;
}): NodePlan {
  const name = `node-${options.index + 1}`;
  const stateDir = join(options.state, 'nodes', name);
  const runDir = join(options.run, 'nodes', name);
  const logs = join(options.logs, name);
  return {
    name,
    netns: `sampan-${options.cluster}-${name}`,
    ip: formatIp(cidrAddress(LAN_CIDR, FIRST_NODE + options.index)),
    ipv6: options.hasIpv6 ? lanIpv6(FIRST_NODE + options.index) : undefined,
    lanLink: `n${options.index + 1}`,
    stateDir,
    runDir,
    cniConfDir: join(runDir, 'cni'),
    proxyMode: proxyModeOf(name, options.proxyMode),
    cgroup: `${options.cgroup}/${name}`,
    containerd: {
      ...planProcess('containerd', { run: runDir, logs }),
      root: join(stateDir, 'containerd'),
      state: join(runDir, 'containerd'),
      socket: join(runDir, 'containerd.sock'),
    },
    agent: { ...planProcess('agent', { run: runDir, logs }), stateDir: join(stateDir, 'agent') },
  };
}

const DEFAULT_PROXY_MODE = 'nftables';

/** The last word that is about all nodes, or about this one, counts; one about this node counts more. */
function proxyModeOf(node: string, modes = ''): string {
  const words = modes.split(',').filter((word) => word !== '');
  const own = words.findLast((word) => word.startsWith(`${node}=`))?.slice(node.length + 1);
  return own ?? words.findLast((word) => !word.includes('=')) ?? DEFAULT_PROXY_MODE;
}

function planProcess(name: string, at: { run: string; logs: string }): ProcessPlan {
  return {
    configFile: join(at.run, name === 'containerd' ? 'containerd.toml' : `${name}.json`),
    logFile: join(at.logs, `${name}.log`),
    pidFile: join(at.run, `${name}.pid`),
  };
}

/** True for the names of this cluster's network namespaces, whatever its number of nodes was. */
export function ownsNetns(cluster: string, netns: string): boolean {
  const prefix = `sampan-${cluster}-`;
  return netns.startsWith(prefix) && /^(lan|node-\d+)$/.test(netns.slice(prefix.length));
}

/** For people: what to connect to on this machine. */
export function describeGateway({ gateway, lan, serviceCidr }: ClusterPlan): string {
  const cluster = `${lan.address}/${lan.prefix}`;
  return `${serviceCidr} at ${gateway.services}, ${cluster} at ${gateway.lan}; names in ${gateway.domain} by ${gateway.nameServer}`;
}

/** The plan as a table for people. */
export function describePlan(plan: ClusterPlan): string {
  const rows = [
    ['cluster', plan.name],
    ['API server', `https://127.0.0.1:${plan.port} (nodes: https://${plan.lan.address}:${plan.lan.apiPort})`],
    ['pods, services', `${plan.clusterCidr}, ${plan.serviceCidr} (DNS ${plan.dnsServiceIp}, ${plan.clusterDomain})`],
    ['on this machine', describeGateway(plan)],
    ['state', plan.directories.state],
    ['running', plan.directories.run],
    ...(plan.fakeNodes.count > 0 ? [['fake nodes', String(plan.fakeNodes.count)]] : []),
    ...plan.nodes.map((node) => [node.name, `${node.ip} in network namespace ${node.netns}`]),
  ] as const;
  return rows.map(([key, value]) => `${key.padEnd(16)}${value}\n`).join('');
}
