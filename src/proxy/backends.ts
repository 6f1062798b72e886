import { type IptablesVariant, openIptables } from '../host/iptables.ts';
import { openNft } from '../host/nft.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { iptablesBackend } from './iptables/backend.ts';
import type { ModeChoice, ProxyAddresses, ProxyBackend } from './mode.ts';
import { nftablesBackend } from './nftables/backend.ts';
import { userspaceBackend } from './userspace/backend.ts';

export interface BackendOptions {
  readonly addresses: ProxyAddresses;
  readonly clock: Clock;
  readonly log: Logger;
  readonly iptables?: IptablesVariant;
}

/** A mode, with the doors that it needs. Throws when what it needs is not on this machine. */
export function openBackend({ mode }: ModeChoice, options: BackendOptions): ProxyBackend {
  const { addresses, iptables } = options;
  switch (mode) {
    case 'nftables':
      return nftablesBackend(openNft(), addresses);
    case 'iptables':
      return iptablesBackend(openIptables(iptables), addresses);
    case 'userspace':
      return userspaceBackend({ ...options, rules: iptablesBackend(openIptables(iptables), addresses) });
    case 'ipvs':
      throw new Error(`proxy mode ${mode} is not available`);
  }
}

/** Modes that rules of each language are taken away by. */
const CLEANERS = ['nftables', 'iptables'] as const;

/** Takes away what other modes left on this node in earlier times. What can not be looked at here is passed over. */
export async function removeLeftovers(current: ProxyBackend, options: BackendOptions): Promise<void> {
  for (const mode of CLEANERS) {
    if (mode === current.rules) continue;
    const other = openBackend({ mode }, options);
    await other.cleanup(current).catch(() => {});
    other.close();
  }
}

/** Takes away the rules of all modes; resolves with what went wrong. Programs that are not installed made no rules. */
export async function cleanupAll(options: Pick<BackendOptions, 'clock' | 'log'>): Promise<string[]> {
  const failures: string[] = [];
  // The rules are found by their names: whatever the addresses were.
  const family = { clusterCidr: '0.0.0.0/0', serviceCidr: '0.0.0.0/0', nodeIps: [] };
  const addresses = { ...family, ipv6: { clusterCidr: '::/0', serviceCidr: '::/0', nodeIps: [] } };
  for (const mode of CLEANERS) {
    const backend = openBackend({ mode }, { ...options, addresses });
    await backend.cleanup().catch((error: Error) => {
      if (!error.message.includes('ENOENT')) failures.push(`${mode}: ${error.message}`);
    });
    backend.close();
  }
  return failures;
}
