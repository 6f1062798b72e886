import { type FlagValues, type RunCommand, UsageError } from '../command.ts';
import { readConfig, type ServerConfig } from '../config.ts';
import { programContext } from '../program-context.ts';
import { runServer } from '../server.ts';

export const run: RunCommand = async ({ flags }, context) => {
  if (!flags['config']) throw new UsageError('usage: sampan server --config FILE');
  const config = { ...readConfig<ServerConfig>(String(flags['config'])), ...serverFlags(flags) };
  await runServer(config, programContext(context));
  return 0;
};

/** Flags that go before what the configuration says, named as kube-apiserver's. */
function serverFlags(flags: FlagValues): Partial<ServerConfig> {
  const file = flags['token-auth-file'];
  return file ? { tokenAuthFile: String(file) } : {};
}
