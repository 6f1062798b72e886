import { realIpset } from '../host/ipset.ts';
import { type IptablesVariant, openIptables } from '../host/iptables.ts';
import { openIpvs } from '../host/ipvs.ts';
import { openNft } from '../host/nft.ts';
import { openVirtualLink, setOwnSysctls } from '../host/virtual-link.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { iptablesBackend } from './iptables/backend.ts';
import { ipvsBackend } from './ipvs/backend.ts';
import { DEVICE } from './ipvs/plan.ts';
import type { IpvsScheduler, ModeChoice, ProxyAddresses, ProxyBackend } from './mode.ts';
import { nftablesBackend } from './nftables/backend.ts';
import { userspaceBackend } from './userspace/backend.ts';

export interface BackendOptions {
  readonly addresses: ProxyAddresses;
  readonly clock: Clock;
  readonly log: Logger;
  readonly iptables?: IptablesVariant;
}

/** A mode, with the doors that it needs. Throws when what it needs is not on this machine. */
export function openBackend({ mode, scheduler }: ModeChoice, options: BackendOptions): ProxyBackend {
  const { addresses, iptables } = options;
  switch (mode) {
    case 'nftables':
      return nftablesBackend(openNft(), addresses);
    case 'iptables':
      return iptablesBackend(openIptables(iptables), addresses);
    case 'userspace':
      return userspaceBackend({ ...options, rules: iptablesBackend(openIptables(iptables), addresses) });
    case 'ipvs':
      return openIpvsMode(options, scheduler);
  }
}

/** Kernels without IPVS get the iptables mode, as they do from Kubernetes' own proxy. */
function openIpvsMode(options: BackendOptions, scheduler: IpvsScheduler | undefined): ProxyBackend {
  const { addresses, log } = options;
  const iptables = openIptables(options.iptables);
  try {
    const parts = {
      ipvs: openIpvs(),
      iptables,
      ipset: realIpset,
      link: openVirtualLink(DEVICE),
      setSysctls: setOwnSysctls,
    };
    const ipv6 = addresses.ipv6 && iptablesBackend(iptables, addresses, [6]);
    return ipvsBackend({ ...options, ...parts, scheduler, ipv6 });
  } catch (error) {
    log.warn('the kernel has no IPVS (module ip_vs): the proxy falls back to the iptables mode', { error });
    return iptablesBackend(iptables, addresses);
  }
}

/** One mode for each language of rules. That of ipvs is only asked where it has been: the question loads it into the kernel. */
async function cleaners(options: BackendOptions): Promise<ProxyBackend[]> {
  const modes = ['nftables', 'iptables'] as const;
  const ipvs = (await openVirtualLink(DEVICE).exists()) ? (['ipvs'] as const) : [];
  return [...modes, ...ipvs].map((mode) => openBackend({ mode }, options));
}

/** Takes away what other modes left on this node in earlier times. What can not be looked at here is passed over. */
export async function removeLeftovers(current: ProxyBackend, options: BackendOptions): Promise<void> {
  for (const other of await cleaners(options)) {
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
  for (const backend of await cleaners({ ...options, addresses })) {
    await backend.cleanup().catch((error: Error) => {
      if (!error.message.includes('ENOENT')) failures.push(`${backend.name}: ${error.message}`);
    });
    backend.close();
  }
  return failures;
}
