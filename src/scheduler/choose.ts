import type { Node, Pod } from '../api/types.ts';
import { misfit, type Usage, usageOf } from './fit.ts';

export interface ChooseInputs {
  readonly pod: Pod;
  readonly nodes: readonly Node[];
  /** Pods that are bound, or about to be, and not finished. */
  readonly bound: readonly Pod[];
  /** In [0, 1): decides among equals. */
  readonly random: () => number;
}

export type Choice = { readonly node: string } | { readonly message: string };

/** The node for a pod: where the fewest of its siblings run, then where the fewest pods run. Pure. */
export function chooseNode({ pod, nodes, bound, random }: ChooseInputs): Choice {
  const candidates: { node: Node; usage: Usage; siblings: number }[] = [];
  const reasons = new Map<string, number>();
  for (const node of nodes) {
    const here = bound.filter((other) => other.spec?.nodeName === node.metadata.name);
    const usage = usageOf(here);
    const reason = misfit(pod, node, usage);
    if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    else candidates.push({ node, usage, siblings: here.filter((other) => areSiblings(pod, other)).length });
  }
  if (candidates.length === 0) return { message: unschedulable(nodes.length, reasons) };
  const best = Math.min(...candidates.map(score));
  const equals = candidates.filter((candidate) => score(candidate) === best);
  return { node: equals[Math.floor(random() * equals.length)]!.node.metadata.name };
}

function score({ siblings, usage }: { siblings: number; usage: Usage }): number {
  return siblings * 1_000_000 + usage.pods;
}

/** Of the same controller, or with the same labels: what a Service would most likely select together. */
function areSiblings(a: Pod, b: Pod): boolean {
  if (a.metadata.namespace !== b.metadata.namespace) return false;
  const owner = (pod: Pod) => pod.metadata.ownerReferences?.find((ref) => ref.controller)?.uid;
  return owner(a) !== undefined && owner(a) === owner(b);
}

function unschedulable(total: number, reasons: ReadonlyMap<string, number>): string {
  const list = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  const detail = list.length > 0 ? `${list.join(', ')}.` : 'no nodes available to schedule pods.';
  const preemption = `preemption: 0/${total} nodes are available: ${total} Preemption is not helpful for scheduling.`;
  return `0/${total} nodes are available: ${detail} ${preemption}`;
}
