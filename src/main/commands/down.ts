import { down } from '../../local/down.ts';
import { planCluster } from '../../local/plan.ts';
import { readRecord } from '../../local/record.ts';
import type { RunCommand } from '../command.ts';
import { clusterName, localContext } from '../local-context.ts';

export const run: RunCommand = async ({ flags }, context) => {
  const name = clusterName(flags);
  // Without a record there may still be processes and namespaces: they are found by name.
  await down(planCluster(readRecord(name) ?? { name, nodes: 1, port: 1 }), localContext(context));
  context.err(`Cluster ${name} is gone.\n`);
  return 0;
};
