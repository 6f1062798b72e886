import { nodes as nodeKind } from '../../api/kinds/node.ts';
import { run as runCommand, runInteractive } from '../../host/exec.ts';
import { netnsExists, netnsPath } from '../../host/netns.ts';
import { sleep, systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { connect } from '../../local/connect.ts';
import type { ClusterPlan, NodePlan } from '../../local/plan.ts';
import { runningProcess } from '../../local/processes.ts';
import { planOfExisting } from '../../local/record.ts';
import { cleanupAll } from '../../proxy/backends.ts';
import { type CommandContext, type RunCommand, UsageError } from '../command.ts';
import { clusterName } from '../local-context.ts';
import { runProxyAlone } from '../proxy-alone.ts';
import { checkMode, requestModes, wantedMode } from '../proxy-modes.ts';

export const run: RunCommand = async ({ flags, operands }, context) => {
  if (flags['kubeconfig']) return runProxyAlone(flags, context);
  if (flags['here']) {
    if (!flags['cleanup']) throw new UsageError('sampan proxy: --here goes with --cleanup');
    return cleanupHere(context);
  }
  const plan = planOfExisting(clusterName(flags));
  const chosen = chooseNodes(plan, operands);
  if (flags['cleanup']) return cleanupNodes(plan, chosen, context);
  const mode = flags['mode'];
  if (mode === undefined) return showModes(plan, chosen, context);
  checkMode(String(mode), '--mode');
  await requestModes({ ...plan, nodes: chosen.map((node) => ({ ...node, proxyMode: String(mode) })) }, context.clock);
  const failed = await Promise.all(chosen.map((node) => awaitMode(node, String(mode), context)));
  return failed.some(Boolean) ? 1 : 0;
};

const POLL_MS = 50;
const WAIT_MS = 15_000;
/** A node that was in iptables mode may be on its way to ipvs. */
const FALLBACK_MS = 1000;

/** Says what mode a node came to; resolves with true when that is none that could be expected. */
async function awaitMode(node: NodePlan, wanted: string, { clock, signal, err }: CommandContext): Promise<boolean> {
  const name = wanted.split('/')[0]!;
  if (!runningProcess(node.agent)) {
    err(`${node.name} will be in ${name} mode when its agent runs.\n`);
    return false;
  }
  const deadline = clock.now() + WAIT_MS;
  for (;;) {
    const mode = await modeInUse(node);
    if (mode === name) {
      err(`${node.name} is in ${name} mode.\n`);
      return false;
    }
    if (mode === 'iptables' && name === 'ipvs' && clock.now() > deadline - WAIT_MS + FALLBACK_MS) {
      err(`${node.name} is in iptables mode: its kernel has no IPVS.\n`);
      return false;
    }
    if (clock.now() > deadline) {
      err(`${node.name} is in ${mode} mode still: see "sampan logs agent ${node.name}".\n`);
      return true;
    }
    await sleep(clock, POLL_MS, signal);
  }
}

function chooseNodes({ nodes }: ClusterPlan, names: readonly string[]): readonly NodePlan[] {
  const unknown = names.find((name) => !nodes.some((node) => node.name === name));
  if (unknown) throw new UsageError(`node ${unknown}: expected one of ${nodes.map(({ name }) => name).join(', ')}`);
  return names.length > 0 ? nodes.filter(({ name }) => names.includes(name)) : nodes;
}

async function showModes(
  plan: ClusterPlan,
  chosen: readonly NodePlan[],
  { out, clock }: CommandContext,
): Promise<number> {
  const { items } = await connect(plan, clock).client.list(nodeKind);
  const rows = await Promise.all(
    chosen.map(async (node) => {
      const known = items.find(({ metadata }) => metadata.name === node.name);
      return [node.name, await modeInUse(node), wantedMode(known, node.proxyMode)] as const;
    }),
  );
  for (const [name, inUse, wanted] of [['NODE', 'MODE', 'WANTED'] as const, ...rows])
    out(`${name.padEnd(12)}${inUse.padEnd(12)}${wanted}\n`);
  return rows.every(([, inUse]) => inUse !== 'unknown') ? 0 : 1;
}

/** What the node's own proxy says. */
async function modeInUse({ netns }: NodePlan): Promise<string> {
  const ask = ['curl', '-sf', '--max-time', '2', 'http://127.0.0.1:10249/proxyMode'] as const;
  if (!netnsExists(netns)) return 'unknown';
  return runCommand(['nsenter', `--net=${netnsPath(netns)}`, '--', ...ask]).then(
    ({ stdout }) => stdout.trim(),
    () => 'unknown',
  );
}

/** In the nodes' own namespaces. Rules of a node whose agent runs would be set again, or be missed. */
async function cleanupNodes(plan: ClusterPlan, chosen: readonly NodePlan[], context: CommandContext): Promise<number> {
  const running = chosen.filter((node) => runningProcess(node.agent));
  if (running.length > 0)
    throw new Error(`the agent of ${running.map(({ name }) => name).join(', ')} runs and needs its rules`);
  for (const node of chosen.filter(({ netns }) => netnsExists(netns))) {
    const command = [...context.program, 'proxy', '--cleanup', '--here', '--name', plan.name] as const;
    const code = await runInteractive(['nsenter', `--net=${netnsPath(node.netns)}`, '--', ...command]);
    if (code !== 0) return code;
  }
  return 0;
}

async function cleanupHere({ err }: CommandContext): Promise<number> {
  const failures = await cleanupAll({ clock: systemClock, log: silentLogger });
  for (const failure of failures) err(`${failure}\n`);
  if (failures.length === 0) err('Rules of all modes are removed.\n');
  return failures.length > 0 ? 1 : 0;
}
