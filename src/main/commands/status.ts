import { planOfExisting } from '../../local/record.ts';
import { clusterStatus, renderStatus } from '../../local/status.ts';
import { type RunCommand, UsageError } from '../command.ts';
import { clusterName } from '../local-context.ts';

export const run: RunCommand = async ({ flags }, { out, clock }) => {
  const format = String(flags['output']);
  if (format !== 'table' && format !== 'json')
    throw new UsageError(`--output: expected table or json, actual: ${format}`);
  const status = await clusterStatus(planOfExisting(clusterName(flags)), clock);
  out(format === 'json' ? `${JSON.stringify(status, null, 2)}\n` : renderStatus(status));
  return status.ready && status.nodes.every((node) => node.status === 'Ready') ? 0 : 1;
};
