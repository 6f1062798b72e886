import type { FamilyAddresses } from '../mode.ts';
import { type ChainId, jump, NEW_CONNECTION, nameOf, type Ownership, rejectBy } from '../netfilter/chains.ts';
import { OWN_CHAIN, SHARED_CHAINS, type SharedChain } from './chains.ts';

/** Bit of a packet's mark: its source becomes the node's address when it leaves. */
const MASQUERADE = '0x4000/0x4000';

/** First of all in their chains, the last one here before the others. */
const JUMPS = [
  jump('mangle PREROUTING', 'KUBE-PROXY-FIREWALL', 'kubernetes load balancer firewall', NEW_CONNECTION),
  jump('mangle OUTPUT', 'KUBE-PROXY-FIREWALL', 'kubernetes load balancer firewall', NEW_CONNECTION),
  jump('filter INPUT', 'KUBE-EXTERNAL-SERVICES', 'kubernetes externally-visible service portals', NEW_CONNECTION),
  jump('filter FORWARD', 'KUBE-EXTERNAL-SERVICES', 'kubernetes externally-visible service portals', NEW_CONNECTION),
  jump('filter FORWARD', 'KUBE-SERVICES', 'kubernetes service portals', NEW_CONNECTION),
  jump('filter FORWARD', 'KUBE-FORWARD', 'kubernetes forwarding rules'),
  jump('filter OUTPUT', 'KUBE-EXTERNAL-SERVICES', 'kubernetes externally-visible service portals', NEW_CONNECTION),
  jump('filter OUTPUT', 'KUBE-SERVICES', 'kubernetes service portals', NEW_CONNECTION),
  jump('nat PREROUTING', 'KUBE-SERVICES', 'kubernetes service portals'),
  jump('nat OUTPUT', 'KUBE-SERVICES', 'kubernetes service portals'),
  jump('nat POSTROUTING', 'KUBE-POSTROUTING', 'kubernetes postrouting rules'),
];

/** Chains that are the same whatever Services there are. */
export function fixedChains(family: 4 | 6): ReadonlyMap<ChainId, readonly string[]> {
  const loopback = family === 4 ? '127.0.0.0/8' : '::1/128';
  return new Map<ChainId, readonly string[]>([
    ['nat KUBE-MARK-MASQ', [`-j MARK --set-xmark ${MASQUERADE}`]],
    [
      'nat KUBE-POSTROUTING',
      [
        `-m mark ! --mark ${MASQUERADE} -j RETURN`,
        '-j MARK --set-xmark 0x0/0x4000',
        // The node's own processes have its address already.
        `! -s ${loopback} -m addrtype --src-type LOCAL -j RETURN`,
        '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
      ],
    ],
    [
      'filter KUBE-FORWARD',
      [
        '-m conntrack --ctstate INVALID -j DROP',
        `-m comment --comment "kubernetes forwarding rules" -m mark --mark ${MASQUERADE} -j ACCEPT`,
        '-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      ],
    ],
  ]);
}

/** Rules that come after those of all Services. */
export function lastRules({ serviceCidr, nodeIps }: FamilyAddresses): Partial<Record<SharedChain, readonly string[]>> {
  const unowned = `-m comment --comment "address or port that no Service has" -d ${serviceCidr}`;
  const nodePorts =
    '-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain"';
  return {
    'filter KUBE-SERVICES': [`${unowned} -p tcp -j ${rejectBy('tcp')}`, `${unowned} -j ${rejectBy('')}`],
    'nat KUBE-SERVICES': nodeIps.map((ip) => `${nodePorts} -d ${ip} -j KUBE-NODEPORTS`),
  };
}

const COMMON: ReadonlySet<string> = new Set([...fixedChains(4).keys(), ...SHARED_CHAINS].map((id) => nameOf(id)));

export const OWNERSHIP: Ownership = {
  jumps: JUMPS,
  isOurs: (chain) => COMMON.has(chain) || OWN_CHAIN.test(chain),
};
