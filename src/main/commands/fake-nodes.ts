import { type RunCommand, UsageError } from '../command.ts';
import { type FakeNodesConfig, readConfig } from '../config.ts';
import { runFakeNodes } from '../fake-nodes.ts';
import { programContext } from '../program-context.ts';

export const run: RunCommand = async ({ flags }, context) => {
  if (!flags['config']) throw new UsageError('usage: sampan fake-nodes --config FILE');
  await runFakeNodes(readConfig<FakeNodesConfig>(String(flags['config'])), programContext(context));
  return 0;
};
