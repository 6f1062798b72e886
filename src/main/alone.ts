import { readFileSync } from 'node:fs';
import type { Client } from '../client/client.ts';
import { httpsTransport, parseKubeconfig } from '../client/https.ts';
import type { Informers } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/kube-client.ts';
import { type CommandContext, type FlagSpec, type FlagValues, UsageError } from './command.ts';
import type { ProgramContext } from './config.ts';
import { programContext } from './program-context.ts';

/** What a part that runs alone is given: the API server and user of a kubeconfig. */
export type Alone = ProgramContext & { readonly client: Client; readonly informers: Informers };

/** The flag of every part that can run alone, against any Kubernetes API server. */
export const kubeconfigFlag: FlagSpec = {
  type: 'string',
  value: 'FILE',
  about: 'Whose current context names the API server and the user',
};

/** Throws when the kubeconfig is missing or lacks something. */
export function connectAlone(flags: FlagValues, context: CommandContext): Alone {
  const program = programContext(context);
  const read = (path: string) => readFileSync(path, 'utf8');
  const client = createClient(httpsTransport(parseKubeconfig(read(requiredFlag(flags, 'kubeconfig')), read)));
  return { ...program, client, informers: createInformers({ ...program, client }) };
}

/** Throws a usage error that names the flag. */
export function requiredFlag(flags: FlagValues, name: string): string {
  const value = flags[name];
  if (!value) throw new UsageError(`--${name} is needed`);
  return String(value);
}
