import { join } from 'node:path';
import type { OciArchitecture } from '../local/images/oci.ts';
import { CLUSTER_ROOTS } from '../local/plan.ts';
import type { LocalContext } from '../local/up.ts';
import { type CommandContext, type FlagValues, UsageError } from './command.ts';

/** Images are built once a machine, for all clusters. */
export const IMAGES_DIR = join(CLUSTER_ROOTS.state, 'images');

export function localContext(context: CommandContext): LocalContext {
  const { clock, signal, pid } = context;
  return { clock, signal, ownPid: pid, report: (message) => context.err(`${message} …\n`) };
}

export function clusterName(flags: FlagValues): string {
  return String(flags['name']);
}

/** A flag's whole number; undefined when it was not given. */
export function numberFlag(flags: FlagValues, name: string): number | undefined {
  const text = flags[name];
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(String(text))) throw new UsageError(`--${name}: expected a whole number, actual: ${text}`);
  return Number(text);
}

export function ociArchitecture({ machine }: CommandContext): OciArchitecture {
  return machine === 'arm64' ? 'arm64' : 'amd64';
}
