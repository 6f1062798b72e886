import type { KubeObject, Pod, ResourceQuota } from '../types.ts';
import { isBestEffort } from './pod-usage.ts';

interface ScopeRequirement {
  readonly scopeName: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

/** Whether a quota counts an object: quotas with scopes count pods alone, and those that all scopes are true for. */
export function inScope({ spec }: ResourceQuota, object: KubeObject): boolean {
  const plain = (spec?.scopes ?? []).map((scopeName): ScopeRequirement => ({ scopeName, operator: 'Exists' }));
  const requirements = [...plain, ...((spec?.scopeSelector?.matchExpressions ?? []) as ScopeRequirement[])];
  if (requirements.length === 0) return true;
  if (object.kind !== 'Pod') return false;
  return requirements.every((requirement) => holds(requirement, object as Pod));
}

function holds({ scopeName, operator, values = [] }: ScopeRequirement, { spec }: Pod): boolean {
  if (!spec) return false;
  const ends = spec.activeDeadlineSeconds !== undefined;
  switch (scopeName) {
    case 'Terminating':
      return ends;
    case 'NotTerminating':
      return !ends;
    case 'BestEffort':
      return isBestEffort(spec);
    case 'NotBestEffort':
      return !isBestEffort(spec);
    case 'PriorityClass':
      return holdsClass(operator, values, spec.priorityClassName ?? '');
    case 'CrossNamespacePodAffinity':
      return looksElsewhere(spec);
    default:
      return false;
  }
}

function holdsClass(operator: string, values: readonly string[], name: string): boolean {
  switch (operator) {
    case 'In':
      return values.includes(name);
    case 'NotIn':
      return !values.includes(name);
    case 'Exists':
      return name !== '';
    default:
      return name === '';
  }
}

interface AffinityTerm {
  readonly namespaces?: readonly string[];
  readonly namespaceSelector?: object;
}

function looksElsewhere({ affinity }: NonNullable<Pod['spec']>): boolean {
  const groups = [affinity?.podAffinity, affinity?.podAntiAffinity];
  const terms: (AffinityTerm | undefined)[] = groups.flatMap((group) => [
    ...(group?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(group?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((each) => each.podAffinityTerm),
  ]);
  return terms.some((term) => (term?.namespaces?.length ?? 0) > 0 || term?.namespaceSelector !== undefined);
}
