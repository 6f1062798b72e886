import { CommandError, run } from './exec.ts';

/** Sets of addresses and ports that packet rules look into, in this network namespace. */
export interface Ipset {
  /** Runs commands, one a line; what is there already, or gone already, is no error. Rejects at the first refusal. */
  restore(commands: string): Promise<void>;
  /** Names of all sets. */
  names(): Promise<string[]>;
}

/** Debian's `ipset` program. */
export const realIpset: Ipset = {
  async restore(commands) {
    await run(['ipset', '-exist', 'restore'], { input: commands }).catch((error: unknown) => {
      throw new Error(error instanceof CommandError ? `ipset: ${error.stderr.trim()}` : String(error));
    });
  },
  names: async () => (await run(['ipset', 'list', '-name'])).stdout.split('\n').filter((name) => name !== ''),
};
