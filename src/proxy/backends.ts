import { type IptablesVariant, openIptables } from '../host/iptables.ts';
import { openNft } from '../host/nft.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { iptablesBackend } from './iptables/backend.ts';
import type { ModeName, ProxyAddresses, ProxyBackend } from './mode.ts';
import { nftablesBackend } from './nftables/backend.ts';
import { userspaceBackend } from './userspace/backend.ts';

export interface BackendOptions {
  readonly addresses: ProxyAddresses;
  readonly clock: Clock;
  readonly log: Logger;
  readonly iptables?: IptablesVariant;
}

/** A mode by its name, with the doors that it needs. Throws when what it needs is not on this machine. */
export function openBackend(name: ModeName, options: BackendOptions): ProxyBackend {
  const { addresses, iptables } = options;
  switch (name) {
    case 'nftables':
      return nftablesBackend(openNft(), addresses);
    case 'iptables':
      return iptablesBackend(openIptables(iptables), addresses);
    case 'userspace':
      return userspaceBackend({ ...options, rules: iptablesBackend(openIptables(iptables), addresses) });
    case 'ipvs':
      throw new Error(`proxy mode ${name} is not available`);
  }
}
