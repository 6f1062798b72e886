import type { FamilyAddresses } from '../mode.ts';
import { type ChainId, jump, NEW_CONNECTION, type Ownership, rejectBy } from '../netfilter/chains.ts';
import { RestoreText } from '../netfilter/restore-text.ts';
import type { SetName } from './sets.ts';

/** Bit of a packet's mark: its source becomes the node's address when it leaves. */
const MASQUERADE = '0x4000/0x4000';

export const OWNERSHIP: Ownership = {
  jumps: [
    jump('mangle PREROUTING', 'KUBE-IPVS-FIREWALL', 'kubernetes load balancer firewall', NEW_CONNECTION),
    jump('mangle OUTPUT', 'KUBE-IPVS-FIREWALL', 'kubernetes load balancer firewall', NEW_CONNECTION),
    jump('filter INPUT', 'KUBE-IPVS-FILTER', 'kubernetes service portals', NEW_CONNECTION),
    jump('filter FORWARD', 'KUBE-IPVS-FILTER', 'kubernetes service portals', NEW_CONNECTION),
    jump('filter OUTPUT', 'KUBE-IPVS-FILTER', 'kubernetes service portals', NEW_CONNECTION),
    jump('nat PREROUTING', 'KUBE-IPVS-SERVICES', 'kubernetes service portals'),
    jump('nat POSTROUTING', 'KUBE-IPVS-POSTROUTING', 'kubernetes postrouting rules'),
  ],
  isOurs: (chain) => chain.startsWith('KUBE-IPVS-'),
};

function inSet(name: SetName, directions: string): string {
  return `-m set --match-set ${name} ${directions}`;
}

function notInSet(name: SetName, directions: string): string {
  return `-m set ! --match-set ${name} ${directions}`;
}

/** All packet rules: Services are elements of sets, so no rule is a Service's own. */
export function renderRules({ clusterCidr, serviceCidr }: FamilyAddresses): string {
  const strangers = `! -s ${clusterCidr} -m addrtype ! --src-type LOCAL`;
  const refuse = (match: string) => [`${match} -p tcp -j ${rejectBy('tcp')}`, `${match} -j ${rejectBy('')}`];
  const chains: readonly (readonly [ChainId, readonly string[]])[] = [
    [
      'mangle KUBE-IPVS-FIREWALL',
      [
        `${inSet('KUBE-IPVS-GUARDED', 'dst,dst')} ${notInSet('KUBE-IPVS-SOURCES', 'dst,dst,src')} -j DROP`,
        `${strangers} ${inSet('KUBE-IPVS-KEPTNONE', 'dst,dst')} -j DROP`,
        `${strangers} ${inSet('KUBE-IPVS-KEPT', 'dst,dst')} -j SET --map-set KUBE-IPVS-KEPT dst,dst --map-mark`,
      ],
    ],
    [
      'filter KUBE-IPVS-FILTER',
      [
        `${inSet('KUBE-IPVS-DROPPED', 'dst,dst')} -j DROP`,
        `${inSet('KUBE-IPVS-SERVED', 'dst,dst')} -j RETURN`,
        ...refuse(inSet('KUBE-IPVS-REFUSED', 'dst,dst')),
        ...refuse(inSet('KUBE-IPVS-ADDRESS', 'dst')),
        ...refuse(`-d ${serviceCidr}`),
      ],
    ],
    ['nat KUBE-IPVS-MARK', [`-j MARK --set-xmark ${MASQUERADE}`]],
    [
      'nat KUBE-IPVS-SERVICES',
      [
        `! -s ${clusterCidr} ${inSet('KUBE-IPVS-CLUSTER', 'dst,dst')} -j KUBE-IPVS-MARK`,
        `${inSet('KUBE-IPVS-EXTERNAL', 'dst,dst')} -j KUBE-IPVS-MARK`,
        `-s ${clusterCidr} ${inSet('KUBE-IPVS-LOCAL', 'dst,dst')} -j KUBE-IPVS-MARK`,
      ],
    ],
    [
      'nat KUBE-IPVS-POSTROUTING',
      [
        // The node's own processes have its address already.
        '! -s 127.0.0.0/8 -m addrtype --src-type LOCAL -j RETURN',
        `${inSet('KUBE-IPVS-LOOP', 'dst,dst,src')} -j MASQUERADE --random-fully`,
        `-m mark ! --mark ${MASQUERADE} -j RETURN`,
        '-j MARK --set-xmark 0x0/0x4000',
        '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
      ],
    ],
  ];
  const text = new RestoreText();
  for (const [id, rules] of chains) text.write(id, rules);
  return text.toString();
}
