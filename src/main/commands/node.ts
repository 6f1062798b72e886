import { runInteractive } from '../../host/exec.ts';
import { netnsExists, netnsPath } from '../../host/netns.ts';
import { planOfExisting } from '../../local/record.ts';
import { type RunCommand, UsageError } from '../command.ts';
import { clusterName } from '../local-context.ts';

export const run: RunCommand = async ({ flags, operands }) => {
  const [nodeName, ...words] = operands;
  const command = words[0] === '--' ? words.slice(1) : words;
  if (!nodeName || command.length === 0) throw new UsageError('usage: sampan node NODE -- COMMAND…');
  const plan = planOfExisting(clusterName(flags));
  const node = plan.nodes.find((candidate) => candidate.name === nodeName);
  if (!node) throw new UsageError(`node ${nodeName}: expected one of ${plan.nodes.map((one) => one.name).join(', ')}`);
  if (!netnsExists(node.netns)) throw new Error(`cluster ${plan.name} does not run: start it with "sampan up"`);
  return runInteractive(['nsenter', `--net=${netnsPath(node.netns)}`, '--', ...command]);
};
