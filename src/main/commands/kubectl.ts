import { dirname } from 'node:path';
import { runInteractive } from '../../host/exec.ts';
import { kubectlPath } from '../../local/kubectl.ts';
import { planOfExisting } from '../../local/record.ts';
import { type CommandContext, definedEnvironment, type RunCommand } from '../command.ts';
import { clusterName } from '../local-context.ts';

export const run: RunCommand = async ({ flags, operands }, context) => {
  const version = String(flags['kubectl-version']);
  const { kubeconfig } = planOfExisting(clusterName(flags));
  const env = kubectlEnvironment({ context, kubeconfig, version });
  return runInteractive([kubectlPath(version, context.root), ...operands], env);
};

/** Environment in which `kubectl` is the pinned one and talks to a cluster. */
export function kubectlEnvironment(options: {
  context: CommandContext;
  kubeconfig: string;
  version: string;
}): Record<string, string> {
  const { context, kubeconfig, version } = options;
  if (context.machine !== 'x64')
    throw new Error(`the pinned kubectl is for x86_64 alone: use your own with KUBECONFIG=${kubeconfig}`);
  const directory = dirname(kubectlPath(version, context.root));
  return {
    ...definedEnvironment(context.env),
    KUBECONFIG: kubeconfig,
    PATH: `${directory}:${context.env['PATH'] ?? ''}`,
  };
}
