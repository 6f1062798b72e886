import { type LabelRequirement, matchesLabels } from '../selectors.ts';
import type { Node, Pod } from '../types.ts';

type PodSpec = NonNullable<Pod['spec']>;
type Toleration = NonNullable<PodSpec['tolerations']>[number];
type Taint = NonNullable<NonNullable<Node['spec']>['taints']>[number];
type Requirement = { key: string; operator: string; values?: string[] };
type Term = { matchExpressions?: Requirement[]; matchFields?: Requirement[] };

export function tolerates({ key, operator = 'Equal', value = '', effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key ? key !== taint.key : operator !== 'Exists') return false;
  return operator === 'Exists' || value === (taint.value ?? '');
}

/** The taints of one of `effects` that nothing in the list tolerates. */
export function untolerated(node: Node, tolerations: readonly Toleration[] = [], effects: readonly string[]): Taint[] {
  const taints = (node.spec?.taints ?? []).filter(({ effect }) => effects.includes(effect));
  return taints.filter((taint) => !tolerations.some((toleration) => tolerates(toleration, taint)));
}

/** True when `nodeSelector` and the required node affinity let a pod onto a node. */
export function matchesNode(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  if (Object.entries(spec.nodeSelector ?? {}).some(([key, value]) => labels[key] !== value)) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || matchesTerms(required.nodeSelectorTerms as Term[], node);
}

/** `v1.NodeSelector`: terms are alternatives; a term without requirements matches nothing. */
export function matchesTerms(terms: readonly Term[], node: Node): boolean {
  return terms.some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length === 0 && matchFields.length === 0) return false;
    return (
      matchExpressions.every((one) => holds(one, node.metadata.labels ?? {})) &&
      matchFields.every((one) => holds(one, { 'metadata.name': node.metadata.name }))
    );
  });
}

function holds({ key, operator, values = [] }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  if (operator === 'Gt') return Number(labels[key]) > Number(values[0]);
  if (operator === 'Lt') return Number(labels[key]) < Number(values[0]);
  return matchesLabels([{ key, operator, values } as LabelRequirement], labels);
}
