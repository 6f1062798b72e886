import type { Pod } from '../../api/types.ts';
import { isPodReady, readySince } from '../common.ts';

const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
const PHASES = ['Pending', 'Unknown', 'Running'];

/**
 * Which pods go first: those without a node, not running, not ready, of low deletion cost, that share a node with most
 * others (of the `related` pods), that became ready last, that restarted most, the youngest (KEP-2255 and the ReplicaSet documentation).
 */
export function victims(active: readonly Pod[], count: number, related = active): Pod[] {
  if (count <= 0) return [];
  const onNode = Map.groupBy(related, (pod) => pod.spec?.nodeName);
  const ranked = active.map((pod) => ({ pod, rank: rankOf(pod, onNode.get(pod.spec?.nodeName)?.length ?? 0) }));
  return ranked
    .sort((a, b) => compare(a.rank, b.rank))
    .slice(0, count)
    .map(({ pod }) => pod);
}

/** Numbers that are compared from left to right; the lowest goes first. */
function rankOf(pod: Pod, onSameNode: number): number[] {
  const ready = isPodReady(pod);
  const restarts = (pod.status?.containerStatuses ?? []).map((container) => container.restartCount);
  return [
    pod.spec?.nodeName ? 1 : 0,
    PHASES.indexOf(pod.status?.phase ?? 'Unknown'),
    ready ? 1 : 0,
    Number(pod.metadata.annotations?.[DELETION_COST] ?? 0) || 0,
    -onSameNode,
    ready ? -readySince(pod) : 0,
    -Math.max(0, ...restarts),
    -(Date.parse(pod.metadata.creationTimestamp ?? '') || 0),
  ];
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}
