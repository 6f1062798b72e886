import type { Job, Pod } from '../../api/types.ts';

type Rule = NonNullable<NonNullable<Job['spec']>['podFailurePolicy']>['rules'][number];
type Status = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];

/** What `spec.podFailurePolicy` says of a failed pod. */
export interface PolicyAnswer {
  readonly action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';
  /** Why, of `FailJob`. */
  readonly message: string;
}

/** The first rule that matches decides; without one a failure counts. */
export function policyFor({ spec }: Job, pod: Pod): PolicyAnswer {
  for (const [index, rule] of (spec?.podFailurePolicy?.rules ?? []).entries()) {
    const why = matched(rule, pod);
    const action = rule.action as PolicyAnswer['action'];
    if (why !== undefined) return { action, message: `${why} matching ${action} rule at index ${index}` };
  }
  return { action: 'Count', message: '' };
}

function matched({ onExitCodes, onPodConditions }: Rule, pod: Pod): string | undefined {
  const { namespace, name } = pod.metadata;
  if (onExitCodes) {
    const ended = statusesOf(pod).find(
      (status) =>
        (!onExitCodes.containerName || onExitCodes.containerName === status.name) && hasCode(onExitCodes, status),
    );
    if (!ended) return undefined;
    const code = ended.state!.terminated!.exitCode;
    return `Container ${ended.name} for pod ${namespace}/${name} failed with exit code ${code}`;
  }
  for (const { type, status = 'True' } of onPodConditions ?? []) {
    const found = pod.status?.conditions?.some((condition) => condition.type === type && condition.status === status);
    if (found) return `Pod ${namespace}/${name} has condition ${type}`;
  }
  return undefined;
}

function statusesOf({ status }: Pod): readonly Status[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

function hasCode({ operator, values }: NonNullable<Rule['onExitCodes']>, { state }: Status): boolean {
  const code = state?.terminated?.exitCode;
  if (code === undefined || code === 0) return false;
  return operator === 'In' ? values.includes(code) : !values.includes(code);
}
