import { CommandError, run } from './exec.ts';

export type IpFamily = 4 | 6;

/** The kernel's packet rules of this network namespace, by way of the iptables programs. */
export interface Iptables {
  /**
   * Applies the language of `iptables-restore`; chains that it does not name stay (`--noflush`). Each table is one transaction.
   * Rejects with {@link IptablesError}.
   */
  restore(family: IpFamily, text: string): Promise<void>;
  /** All tables, as `iptables-save` writes them. */
  save(family: IpFamily): Promise<string>;
  /** Rules of one chain, one a line (`-A …`); rejects when there is none of that name. */
  chain(family: IpFamily, table: string, name: string): Promise<string>;
}

/** What iptables or the kernel refused, in their words. */
export class IptablesError extends Error {
  override name = 'IptablesError';
}

/** Which kernel interface the programs use; Debian's own choice by default. */
export type IptablesVariant = 'default' | 'nft' | 'legacy';

/** Another program may hold the lock of the tables for a while. */
const LOCK_SECONDS = 5;

/** Debian's programs, where they are installed. */
export function openIptables(variant: IptablesVariant = 'default'): Iptables {
  const program = (family: IpFamily, action: 'restore' | 'save' | '') => {
    const name = family === 4 ? 'iptables' : 'ip6tables';
    return [name, variant === 'default' ? '' : variant, action].filter((part) => part !== '').join('-');
  };
  return {
    async restore(family, text) {
      const command = [program(family, 'restore'), '--noflush', `--wait=${LOCK_SECONDS}`] as const;
      await run([...command], { input: text }).catch((error: unknown) => {
        throw new IptablesError(
          error instanceof CommandError ? `${command[0]}: ${error.stderr.trim()}` : String(error),
        );
      });
    },
    chain: async (family, table, name) =>
      (await run([program(family, ''), `--wait=${LOCK_SECONDS}`, '-t', table, '-S', name])).stdout,
    save: async (family) => (await run([program(family, 'save')])).stdout,
  };
}
