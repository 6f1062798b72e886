import { tolerates } from '../../api/pod/placement.ts';
import type { Node, Pod } from '../../api/types.ts';

type Taint = NonNullable<NonNullable<Node['spec']>['taints']>[number];

/**
 * When a pod must leave a node with these NoExecute taints, in ms since the epoch: at once (0) when one is not tolerated,
 * never (Infinity) when all are without limit. Pure.
 */
export function evictionTime({ spec }: Pod, taints: readonly Taint[], addedAt: (taint: Taint) => number): number {
  let due = Infinity;
  for (const taint of taints) {
    const tolerations = (spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (tolerations.length === 0) return 0;
    const seconds = tolerations
      .map(({ tolerationSeconds }) => tolerationSeconds)
      .filter((value) => value !== undefined);
    if (seconds.length > 0) due = Math.min(due, addedAt(taint) + Math.max(0, Math.min(...seconds)) * 1000);
  }
  return due;
}
