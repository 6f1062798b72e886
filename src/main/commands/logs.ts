import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterPlan } from '../../local/plan.ts';
import { planOfExisting } from '../../local/record.ts';
import { type RunCommand, UsageError } from '../command.ts';
import { clusterName } from '../local-context.ts';

export const run: RunCommand = async ({ flags, operands }, { out }) => {
  const file = logFile(planOfExisting(clusterName(flags)), operands);
  if (!existsSync(file)) throw new Error(`no log at ${file}`);
  for await (const chunk of createReadStream(file, 'utf8')) out(chunk as string);
  return 0;
};

function logFile(plan: ClusterPlan, [program = 'server', nodeName]: readonly string[]): string {
  if (program === 'server') return plan.server.logFile;
  const node = plan.nodes.find((candidate) => candidate.name === nodeName);
  if (program === 'ingress' && node) return join(node.runDir, 'ingress', 'haproxy.log');
  if ((program !== 'agent' && program !== 'containerd') || !node)
    throw new UsageError('usage: sampan logs [server | agent NODE | containerd NODE | ingress NODE]');
  return node[program].logFile;
}
