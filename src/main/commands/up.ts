import { renderContainerdConfig } from '../../agent/containerd-config.ts';
import { preflight } from '../../local/preflight.ts';
import { planToStart } from '../../local/record.ts';
import { up } from '../../local/up.ts';
import type { CommandContext, FlagValues, RunCommand } from '../command.ts';
import { clusterName, IMAGES_DIR, localContext, numberFlag, ociArchitecture } from '../local-context.ts';

export const run: RunCommand = async ({ flags }, context) => {
  await startCluster(flags, context);
  return 0;
};

/** Starts the cluster that the flags name, and says how to use it. */
export async function startCluster(flags: FlagValues, context: CommandContext): Promise<void> {
  const name = clusterName(flags);
  const plan = planToStart({ name, nodes: numberFlag(flags, 'nodes'), port: numberFlag(flags, 'port') });
  const start = context.clock.now();
  await up({
    ...localContext(context),
    plan,
    imagesDir: IMAGES_DIR,
    architecture: ociArchitecture(context),
    renderContainerdConfig,
    program: context.program,
    preflight: () => preflight({ uid: context.uid, path: context.env['PATH'] ?? '' }),
  });
  const seconds = ((context.clock.now() - start) / 1000).toFixed(1);
  context.err(`Cluster ${name} is up: ${plan.nodes.length} nodes ready after ${seconds} s.\n`);
  context.out(`export KUBECONFIG=${plan.kubeconfig}\n`);
}
