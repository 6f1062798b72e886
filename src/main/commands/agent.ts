import { runAgent } from '../agent.ts';
import { type RunCommand, UsageError } from '../command.ts';
import { type AgentConfig, readConfig } from '../config.ts';
import { programContext } from '../program-context.ts';

export const run: RunCommand = async ({ flags }, context) => {
  if (!flags['config']) throw new UsageError('usage: sampan agent --config FILE');
  await runAgent(readConfig<AgentConfig>(String(flags['config'])), programContext(context));
  return 0;
};
