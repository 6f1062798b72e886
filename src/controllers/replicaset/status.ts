import type { Pod, ReplicaSet } from '../../api/types.ts';
import { timestamp } from '../../lib/clock.ts';
import { availableInMs, isPodFinished, isPodReady, omitZero } from '../common.ts';

type Status = NonNullable<ReplicaSet['status']>;
type Condition = NonNullable<Status['conditions']>[number];

export interface StatusInputs {
  /** Pods that are neither finished nor being deleted. */
  readonly active: readonly Pod[];
  /** All pods, those on their way out too. */
  readonly mine?: readonly Pod[];
  readonly now: number;
  /** Why pods could not be made or removed. */
  readonly failure?: string | undefined;
}

/** The status of a ReplicaSet from its pods. Pure. */
export function replicaSetStatus(set: ReplicaSet, { active, mine = active, now, failure }: StatusInputs): Status {
  const labels = Object.entries(set.spec?.template?.metadata?.labels ?? {});
  const labelled = active.filter((pod) => labels.every(([key, value]) => pod.metadata.labels?.[key] === value));
  const conditions = conditionsOf(set, { now, failure, missing: (set.spec?.replicas ?? 1) > active.length });
  const terminating = mine.filter((pod) => pod.metadata.deletionTimestamp && !isPodFinished(pod));
  return {
    replicas: active.length,
    ...omitZero({
      fullyLabeledReplicas: labelled.length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: active.filter((pod) => availableInMs(pod, set.spec?.minReadySeconds, now) <= 0).length,
      terminatingReplicas: terminating.length,
    }),
    observedGeneration: set.metadata.generation,
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

interface Failure {
  readonly now: number;
  readonly failure: string | undefined;
  /** Pods are missing, as opposed to too many. */
  readonly missing: boolean;
}

function conditionsOf(set: ReplicaSet, { now, failure, missing }: Failure): Condition[] {
  const others = (set.status?.conditions ?? []).filter((condition) => condition.type !== 'ReplicaFailure');
  if (failure === undefined) return others;
  const old = set.status?.conditions?.find((condition) => condition.type === 'ReplicaFailure');
  const lastTransitionTime = old?.lastTransitionTime ?? timestamp(now);
  const reason = missing ? 'FailedCreate' : 'FailedDelete';
  return [...others, { type: 'ReplicaFailure', status: 'True', reason, message: failure, lastTransitionTime }];
}
