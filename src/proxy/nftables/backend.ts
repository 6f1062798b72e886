import type { Nft } from '../../host/nft.ts';
import type { ProxyAddresses, ProxyBackend } from '../mode.ts';
import { Planner } from './nftables.ts';

/** Flat maps in a table of their own. */
export function nftablesBackend(nft: Nft, addresses: ProxyAddresses): ProxyBackend {
  const mode = new Planner(addresses);
  return {
    name: 'nftables',
    mode,
    rules: 'nftables',
    run: ({ commands }) => nft.run(commands),
    async cleanup(heir) {
      if (heir?.rules !== 'nftables') await nft.run(mode.cleanup());
    },
    close: () => nft.close(),
  };
}
