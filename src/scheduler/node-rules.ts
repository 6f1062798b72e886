import { tolerates as tolerationMatches } from '../api/pod/placement.ts';
import { type LabelRequirement, matchesLabels } from '../api/selectors.ts';
import type { Node, Pod } from '../api/types.ts';
import type { NodeInfo } from './cluster-state.ts';

type PodSpec = NonNullable<Pod['spec']>;
type Taint = NonNullable<NonNullable<Node['spec']>['taints']>[number];
type Requirement = { key: string; operator: string; values?: string[] };

/** `v1.NodeSelectorTerm` */
export interface NodeTerm {
  matchExpressions?: Requirement[];
  matchFields?: Requirement[];
}

export const UNSCHEDULABLE_TAINT: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

export function tolerates(spec: PodSpec, taint: Taint): boolean {
  return (spec.tolerations ?? []).some((toleration) => tolerationMatches(toleration, taint));
}

/** True when no taint keeps a pod off a node. */
export function toleratesNode(spec: PodSpec, { node }: NodeInfo): boolean {
  const taints = node?.spec?.taints ?? [];
  return taints.every((taint) => taint.effect === 'PreferNoSchedule' || tolerates(spec, taint));
}

/** True when a pod's `nodeSelector` and required node affinity let it onto a node. */
export function matchesNode(spec: PodSpec, at: NodeInfo): boolean {
  for (const [key, value] of Object.entries(spec.nodeSelector ?? {})) if (at.labels[key] !== value) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || matchesAnyTerm(required.nodeSelectorTerms as NodeTerm[], at);
}

/** Terms are alternatives; a term without requirements matches nothing. */
export function matchesAnyTerm(terms: readonly NodeTerm[], at: NodeInfo): boolean {
  return terms.some((term) => matchesTerm(term, at));
}

export function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeTerm, at: NodeInfo): boolean {
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  return (
    matchExpressions.every((one) => holds(one, at.labels)) &&
    matchFields.every((one) => holds(one, { 'metadata.name': at.name }))
  );
}

function holds({ key, operator, values = [] }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  if (operator !== 'Gt' && operator !== 'Lt') {
    return matchesLabels([{ key, operator, values } as LabelRequirement], labels);
  }
  const [has, wanted] = [labels[key], values[0]].map(wholeNumber);
  if (has === undefined || wanted === undefined) return false;
  return operator === 'Gt' ? has > wanted : has < wanted;
}

function wholeNumber(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[+-]?\d+$/.test(text) ? BigInt(text) : undefined;
}

/** Names of the only nodes that a pod may be on, when its affinity gives names, as DaemonSets do. */
export function namedNodes(spec: PodSpec): string[] | undefined {
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return undefined;
  const names: string[] = [];
  for (const { matchFields = [] } of required.nodeSelectorTerms as NodeTerm[]) {
    const byName = matchFields.find(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    if (!byName) return undefined;
    names.push(...(byName.values ?? []));
  }
  return names;
}
