export type Table = 'mangle' | 'filter' | 'nat';

/** In the order in which a transaction has them. */
export const TABLES: readonly Table[] = ['mangle', 'filter', 'nat'];

/** A chain in its table: `nat KUBE-SERVICES`. */
export type ChainId = `${Table} ${string}`;

/** A rule in a chain of the kernel's own, which leads to one of ours. */
export interface Jump {
  readonly table: Table;
  readonly from: string;
  readonly to: string;
  /** What is asked of packets. */
  readonly match: string;
}

/** Chains that one mode makes. */
export interface Ownership {
  /** First of all in their chains, the last one here before the others. */
  readonly jumps: readonly Jump[];
  readonly isOurs: (chain: string) => boolean;
}

export const NEW_CONNECTION = '-m conntrack --ctstate NEW ';

/** A jump with a comment that people find in listings. */
export function jump(from: ChainId, to: string, comment: string, match = ''): Jump {
  return { table: tableOf(from), from: nameOf(from), to, match: `${match}-m comment --comment "${comment}"` };
}

export function tableOf(id: ChainId): Table {
  return id.slice(0, id.indexOf(' ')) as Table;
}

export function nameOf(id: ChainId): string {
  return id.slice(id.indexOf(' ') + 1);
}

/** TCP is refused by a reset: the kernel sends only few ICMP errors a second to one client, and a client would wait. */
export function rejectBy(protocol: string): string {
  return protocol === 'tcp' ? 'REJECT --reject-with tcp-reset' : 'REJECT';
}
