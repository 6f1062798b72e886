import { type RunCommand, UsageError } from '../command.ts';
import { readConfig, type ServerConfig } from '../config.ts';
import { programContext } from '../program-context.ts';
import { runServer } from '../server.ts';

export const run: RunCommand = async ({ flags }, context) => {
  if (!flags['config']) throw new UsageError('usage: sampan server --config FILE');
  await runServer(readConfig<ServerConfig>(String(flags['config'])), programContext(context));
  return 0;
};
