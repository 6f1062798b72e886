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
  const program = (family: IpFamily, action: 'restore' | 'save') => {
    const name = family === 4 ? 'iptables' : 'ip6tables';
    return variant === 'default' ? `${name}-${action}` : `${name}-${variant}-${action}`;
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
    save: async (family) => (await run([program(family, 'save')])).stdout,
  };
}
