import type { NodeInfo } from './cluster-state.ts';

/** Why a pod can't run on a node, in the words that users of Kubernetes know. */
export interface Misfit {
  readonly reasons: readonly string[];
  /** The ending of other pods could change it. */
  readonly resolvable: boolean;
}

/** Undefined for a node that is fine. */
export type Filter = (at: NodeInfo) => Misfit | undefined;

export function final(reason: string): Misfit {
  return { reasons: [reason], resolvable: false };
}

export function resolvable(reason: string): Misfit {
  return { reasons: [reason], resolvable: true };
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).` */
export function availability(total: number, misfits: Iterable<Misfit>): string {
  const counts = new Map<string, number>();
  for (const { reasons } of misfits) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const list = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${total} nodes are available: ${list.length > 0 ? `${list.join(', ')}.` : NO_NODES}`;
}

const NO_NODES = 'no nodes available to schedule pods.';
