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

function bridgeLines({ lan }: ClusterPlan): string[] {
  return [
    'link set lo up',
    `link add ${lan.bridge} type bridge`,
    `address add ${lan.address}/${lan.prefix} dev ${lan.bridge}`,
    `link set ${lan.bridge} up`,
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
    LAST_LINE,
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

/** Makes what is missing of a cluster's network. The machine's own namespace gets no link and no address. */
export async function applyNetwork(plan: ClusterPlan): Promise<void> {
  const script = networkScript(plan, await keepComplete(plan));
  await ipBatch(script.namespaces);
  await ipBatch(script.lan, plan.lan.netns);
  await Promise.all([...script.nodes].map(([netns, lines]) => prepareNode(netns, lines)));
}

async function prepareNode(netns: string, lines: readonly string[]): Promise<void> {
  await setSysctls(netns, NODE_SYSCTLS);
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
