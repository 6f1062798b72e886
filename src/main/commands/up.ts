import { renderContainerdConfig } from '../../agent/containerd-config.ts';
import { type ClusterPlan, describePlan } from '../../local/plan.ts';
import { preflight } from '../../local/preflight.ts';
import { planToStart } from '../../local/record.ts';
import { up } from '../../local/up.ts';
import { parseNodePortAddresses } from '../../proxy/node-ports.ts';
import { type CommandContext, type FlagValues, type RunCommand, UsageError } from '../command.ts';
import { clusterName, IMAGES_DIR, localContext, numberFlag, ociArchitecture } from '../local-context.ts';
import { checkMode, requestModes } from '../proxy-modes.ts';

export const run: RunCommand = async ({ flags }, context) => {
  if (flags['dry-run']) context.out(describePlan(planOf(flags)));
  else await startCluster(flags, context);
  return 0;
};

function planOf(flags: FlagValues): ClusterPlan {
  const [nodes, port, fakeNodes] = ['nodes', 'port', 'fake-nodes'].map((name) => numberFlag(flags, name));
  const text = (name: string) => (flags[name] === undefined ? undefined : String(flags[name]));
  const networks = { serviceCidr: text('service-cidr'), clusterCidr: text('cluster-cidr') };
  return planToStart({
    name: clusterName(flags),
    nodes,
    port,
    fakeNodes,
    proxyMode: proxyModeFlag(flags),
    nodePortAddresses: nodePortFlag(text('nodeport-addresses')),
    ...networks,
  });
}

function nodePortFlag(text: string | undefined): string | undefined {
  if (text === undefined || parseNodePortAddresses(text)) return text;
  throw new UsageError(`--nodeport-addresses: expected "primary" or networks with commas, actual: ${text}`);
}

/** One mode for all nodes, and others by node, separated by commas. */
function proxyModeFlag(flags: FlagValues): string | undefined {
  const text = flags['proxy-mode'];
  if (text === undefined) return undefined;
  for (const word of String(text).split(',')) checkMode(word.slice(word.indexOf('=') + 1), '--proxy-mode');
  return String(text);
}

/** A small young generation costs no speed here and saves 10 MB a process. */
const MEMORY_FLAGS = ['--max-semi-space-size=2'];

function programCommand({ program: [node, ...words] }: CommandContext): [string, ...string[]] {
  return [node, ...MEMORY_FLAGS, ...words];
}

/** Starts the cluster that the flags name, and says how to use it. */
export async function startCluster(flags: FlagValues, context: CommandContext): Promise<void> {
  const plan = planOf(flags);
  const start = context.clock.now();
  await up({
    ...localContext(context),
    plan,
    imagesDir: IMAGES_DIR,
    architecture: ociArchitecture(context),
    renderContainerdConfig,
    program: programCommand(context),
    preflight: () => preflight({ uid: context.uid, path: context.env['PATH'] ?? '' }),
  });
  // Nodes that run already are told by way of the API.
  if (flags['proxy-mode'] !== undefined) await requestModes(plan, context.clock);
  const seconds = ((context.clock.now() - start) / 1000).toFixed(1);
  const fakes = plan.fakeNodes.count > 0 ? ` and ${plan.fakeNodes.count} fake nodes` : '';
  context.err(`Cluster ${plan.name} is up: ${plan.nodes.length} nodes${fakes} ready after ${seconds} s.\n`);
  context.out(`export KUBECONFIG=${plan.kubeconfig}\n`);
}
