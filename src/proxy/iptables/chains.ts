import { hash } from 'node:crypto';
import type { ChainId } from '../netfilter/chains.ts';

/** Chains of one Service port or endpoint, as Kubernetes' own proxy names them. */
export type ChainKind = 'KUBE-SVC' | 'KUBE-SVL' | 'KUBE-EXT' | 'KUBE-FW' | 'KUBE-SEP';

/** Names of chains that belong to one Service; the kernel's limit for a name is 28 characters. */
export const OWN_CHAIN = /^KUBE-(?:SVC|SVL|EXT|FW|SEP)-[A-Z2-7]{16}$/;

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const HASH_CHARACTERS = 16;

/** Tools and people find a Service's rules by this name: it is the one that Kubernetes' own proxy would give. */
export function chainName(kind: ChainKind, ...of: readonly string[]): string {
  return `${kind}-${base32(hash('sha256', of.join(''), 'buffer'))}`;
}

/** RFC 4648, as many characters as a name takes. */
function base32(bytes: Buffer): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (let index = 0; text.length < HASH_CHARACTERS; ) {
    if (held < 5) {
      bits = (bits << 8) | bytes[index++]!;
      held += 8;
    }
    held -= 5;
    text += BASE32[bits >> held];
    bits &= (1 << held) - 1;
  }
  return text;
}

/** Chains that rules of all Services share. */
export const SHARED_CHAINS = [
  'mangle KUBE-PROXY-FIREWALL',
  'filter KUBE-SERVICES',
  'filter KUBE-EXTERNAL-SERVICES',
  'nat KUBE-SERVICES',
  'nat KUBE-NODEPORTS',
] as const satisfies readonly ChainId[];

export type SharedChain = (typeof SHARED_CHAINS)[number];
