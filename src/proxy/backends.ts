import { type IptablesVariant, openIptables } from '../host/iptables.ts';
import { openNft } from '../host/nft.ts';
import { iptablesBackend } from './iptables/backend.ts';
import type { ModeName, ProxyAddresses, ProxyBackend } from './mode.ts';
import { nftablesBackend } from './nftables/backend.ts';

export interface BackendOptions {
  readonly addresses: ProxyAddresses;
  readonly iptables?: IptablesVariant;
}

/** A mode by its name, with the doors that it needs. Throws when what it needs is not on this machine. */
export function openBackend(name: ModeName, { addresses, iptables }: BackendOptions): ProxyBackend {
  switch (name) {
    case 'nftables':
      return nftablesBackend(openNft(), addresses);
    case 'iptables':
      return iptablesBackend(openIptables(iptables), addresses);
    case 'ipvs':
    case 'userspace':
      throw new Error(`proxy mode ${name} is not available`);
  }
}
