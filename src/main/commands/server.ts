import { type FlagValues, type RunCommand, UsageError } from '../command.ts';
import { readConfig, type ServerConfig } from '../config.ts';
import { numberFlag } from '../local-context.ts';
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
  const text = (name: string) => (flags[name] === undefined ? undefined : String(flags[name]));
  const all = {
    tokenAuthFile: text('token-auth-file'),
    auditLogPath: text('audit-log-path'),
    auditPolicyFile: text('audit-policy-file'),
    maxRequestsInflight: numberFlag(flags, 'max-requests-inflight'),
    maxMutatingRequestsInflight: numberFlag(flags, 'max-mutating-requests-inflight'),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
