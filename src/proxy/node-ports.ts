import { type Cidr, cidrContains, parseCidr, parseIp } from '../lib/ip.ts';

/** Value of `--nodeport-addresses`: the node's own address alone, or all of its addresses in these networks. */
export type NodePortAddresses = 'primary' | readonly Cidr[];

/** Undefined when the text is neither `primary` nor networks separated by commas. */
export function parseNodePortAddresses(text: string): NodePortAddresses | undefined {
  if (text === 'primary') return 'primary';
  const cidrs = text.split(',').map((part) => parseCidr(part.trim()));
  return cidrs.every((cidr) => cidr !== undefined) ? cidrs : undefined;
}

export interface NodeAddresses {
  /** The Node's InternalIPs. */
  readonly primary: readonly string[];
  /** All that its links have. */
  readonly all: readonly string[];
}

/** Where node ports answer. Loopback addresses never: packets to them can not be translated to another node. Pure. */
export function nodePortIps(wanted: NodePortAddresses, { primary, all }: NodeAddresses): string[] {
  if (wanted === 'primary') return [...primary];
  const isWanted = (text: string) => {
    const ip = parseIp(text);
    return ip !== undefined && !isLocal(text) && wanted.some((cidr) => cidrContains(cidr, ip));
  };
  return [...new Set([...primary, ...all])].filter(isWanted);
}

function isLocal(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1' || ip.startsWith('fe80:');
}
