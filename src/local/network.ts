import { ipBatch, listNetns, setSysctls } from '../host/netns.ts';
import type { ClusterPlan, NodePlan } from './plan.ts';

/** `ip` commands that make a cluster's network, in the order of the stages; within a stage all may run at once. */
export interface NetworkScript {
  /** In the machine's own namespace: only namespaces are made there. */
  readonly namespaces: readonly string[];
  /** In the LAN's namespace: the bridge, and one link a node. */
  readonly lan: readonly string[];
  /** Network namespace of a node → its commands. */
  readonly nodes: ReadonlyMap<string, readonly string[]>;
}

/** Pure. `existing` names the namespaces that are there already: they are taken as complete. */
export function networkScript(plan: ClusterPlan, existing: ReadonlySet<string>): NetworkScript {
  const nodes = plan.nodes.filter((node) => !existing.has(node.netns));
  const makesLan = !existing.has(plan.lan.netns);
  const names = [...(makesLan ? [plan.lan.netns] : []), ...nodes.map((node) => node.netns)];
  return {
    namespaces: names.map((name) => `netns add ${name}`),
    lan: [...(makesLan ? bridgeLines(plan) : []), ...nodes.flatMap((node) => linkLines(plan, node))],
    nodes: new Map(nodes.map((node) => [node.netns, nodeLines(plan, node)])),
  };
}

function bridgeLines({ lan }: ClusterPlan): string[] {
  return [
    'link set lo up',
    `link add ${lan.bridge} type bridge`,
    `address add ${lan.address}/${lan.prefix} dev ${lan.bridge}`,
    `link set ${lan.bridge} up`,
    'route add unreachable default',
  ];
}

function linkLines({ lan }: ClusterPlan, node: NodePlan): string[] {
  return [
    `link add ${node.lanLink} type veth peer name eth0 netns ${node.netns}`,
    `link set ${node.lanLink} master ${lan.bridge}`,
    `link set ${node.lanLink} up`,
  ];
}

/**
 * A node reaches its LAN and, so that its own connections to a Service get an address and a way to the rules that
 * translate them, the Service CIDR. Nothing else: no default route.
 */
function nodeLines(plan: ClusterPlan, node: NodePlan): string[] {
  return [
    'link set lo up',
    `address add ${node.ip}/${plan.lan.prefix} dev eth0`,
    'link set eth0 up',
    `route add ${plan.serviceCidr} dev eth0 src ${node.ip}`,
    'route add unreachable default',
  ];
}

const NODE_SYSCTLS = {
  'net/ipv4/ip_forward': 1,
  // Answers to translated connections may come in on another link than the one that leads back.
  'net/ipv4/conf/all/rp_filter': 0,
  'net/ipv4/conf/default/rp_filter': 0,
};

/** Makes what is missing of a cluster's network. The machine's own namespace gets no link and no address. */
export async function applyNetwork(plan: ClusterPlan): Promise<void> {
  const existing = new Set(listNetns(`sampan-${plan.name}-`));
  const script = networkScript(plan, existing);
  await ipBatch(script.namespaces);
  await ipBatch(script.lan, plan.lan.netns);
  await Promise.all([
    ...[...script.nodes].map(([netns, lines]) => ipBatch(lines, netns)),
    ...[...script.nodes.keys()].map((netns) => setSysctls(netns, NODE_SYSCTLS)),
  ]);
}
