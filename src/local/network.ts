import { run } from '../host/exec.ts';
import { deleteNetns, hasLink, ipBatch, listNetns, setSysctls } from '../host/netns.ts';
import { type ClusterPlan, type NodePlan, ownsNetns } from './plan.ts';

/** `ip` commands that make a cluster's network, in the order of the stages; within a stage all may run at once. */
export interface NetworkScript {
  /** In the machine's own namespace: only namespaces are made there. */
  readonly namespaces: readonly string[];
  /** In the LAN's namespace: the bridge, and one link a node. */
  readonly lan: readonly string[];
  /** Network namespace of a node → its commands. */
  readonly nodes: ReadonlyMap<string, readonly string[]>;
}

/** Comes last in every namespace, so that it tells a whole one from what an interrupted start left. */
const LAST_LINE = 'route add unreachable default';

const NO_WAY_OUT_IPV6 = 'route add unreachable ::/0';

/** Pure. `existing` names the namespaces that are there already: they are taken as complete. */
export function networkScript(plan: ClusterPlan, existing: ReadonlySet<string>): NetworkScript {
  const nodes = plan.nodes.filter((node) => !existing.has(node.netns));
  const makesLan = !existing.has(plan.lan.netns);
  const names = [...(makesLan ? [plan.lan.netns] : []), ...nodes.map((node) => node.netns)];
  return {
    namespaces: names.map((name) => `netns add ${name}`),
    lan: [
      ...(makesLan ? bridgeLines(plan) : []),
      ...nodes.flatMap((node) => linkLines(plan, node)),
      ...(makesLan ? [LAST_LINE] : []),
    ],
    nodes: new Map(nodes.map((node) => [node.netns, nodeLines(plan, node)])),
  };
}

function bridgeLines({ lan, ipv6 }: ClusterPlan): string[] {
  return [
    'link set lo up',
    `link add ${lan.bridge} type bridge`,
    `address add ${lan.address}/${lan.prefix} dev ${lan.bridge}`,
    ...(ipv6 ? [`address add ${ipv6.lanAddress}/${ipv6.lanPrefix} dev ${lan.bridge} nodad`] : []),
    `link set ${lan.bridge} up`,
    ...(ipv6 ? [NO_WAY_OUT_IPV6] : []),
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
    ...ipv6Lines(plan, node),
    LAST_LINE,
  ];
}

function ipv6Lines({ ipv6 }: ClusterPlan, node: NodePlan): string[] {
  if (!ipv6) return [];
  return [
    `address add ${node.ipv6}/${ipv6.lanPrefix} dev eth0 nodad`,
    `route add ${ipv6.serviceCidr} dev eth0 src ${node.ipv6}`,
    NO_WAY_OUT_IPV6,
  ];
}

const NODE_SYSCTLS = {
  'net/ipv4/ip_forward': 1,
  // Answers to translated connections may come in on another link than the one that leads back.
  'net/ipv4/conf/all/rp_filter': 0,
  'net/ipv4/conf/default/rp_filter': 0,
  // A redirect to a pod that reached itself would use up the rate of the errors that refuse its next packets.
  'net/ipv4/conf/all/send_redirects': 0,
  'net/ipv4/conf/default/send_redirects': 0,
};

const NODE_SYSCTLS_IPV6 = {
  'net/ipv6/conf/all/disable_ipv6': 0,
  'net/ipv6/conf/default/disable_ipv6': 0,
  'net/ipv6/conf/all/forwarding': 1,
  // All addresses are given out by this cluster: nobody else has them.
  'net/ipv6/conf/all/accept_dad': 0,
  'net/ipv6/conf/default/accept_dad': 0,
  // Redirects can not be turned off, and would use up the rate of errors.
  'net/ipv6/icmp/ratelimit': 0,
};

/** Makes what is missing of a cluster's network. The machine's own namespace gets no link and no address. */
export async function applyNetwork(plan: ClusterPlan): Promise<void> {
  const script = networkScript(plan, await keepComplete(plan));
  await ipBatch(script.namespaces);
  await ipBatch(script.lan, plan.lan.netns);
  await Promise.all([...script.nodes].map(([netns, lines]) => prepareNode(plan, netns, lines)));
}

async function prepareNode({ ipv6 }: ClusterPlan, netns: string, lines: readonly string[]): Promise<void> {
  await setSysctls(netns, { ...NODE_SYSCTLS, ...(ipv6 ? NODE_SYSCTLS_IPV6 : {}) });
  await ipBatch(lines, netns);
}

/** Deletes what an interrupted start left half-made; resolves with the namespaces that stay. */
async function keepComplete(plan: ClusterPlan): Promise<Set<string>> {
  const there = listNetns(`sampan-${plan.name}-`).filter((name) => ownsNetns(plan.name, name));
  const checked = await Promise.all(there.map(async (name) => ({ name, complete: await isComplete(name) })));
  const complete = new Set(checked.filter((entry) => entry.complete).map((entry) => entry.name));
  // Nodes hang on the LAN: without it, none is complete.
  if (!complete.has(plan.lan.netns)) complete.clear();
  for (const node of plan.nodes) {
    if (!there.includes(node.netns) || complete.has(node.netns)) continue;
    if (complete.has(plan.lan.netns) && (await hasLink(plan.lan.netns, node.lanLink)))
      await ipBatch([`link delete ${node.lanLink}`], plan.lan.netns);
  }
  for (const name of there) if (!complete.has(name)) await deleteNetns(name);
  return complete;
}

async function isComplete(netns: string): Promise<boolean> {
  const { stdout } = await run(['ip', '-n', netns, 'route', 'show', 'type', 'unreachable']);
  return stdout.includes('default');
}
