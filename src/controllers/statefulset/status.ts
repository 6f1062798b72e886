import type { Pod, StatefulSet } from '../../api/types.ts';
import { availableInMs, isPodReady, omitZero } from '../common.ts';
import { REVISION_LABEL } from '../history.ts';

type Status = NonNullable<StatefulSet['status']>;

export interface StatusInputs {
  readonly pods: readonly Pod[];
  /** Names of revisions. */
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly collisionCount: number;
  readonly now: number;
}

/** The status of a StatefulSet from its pods. When all are of the newest revision, that is the current one. Pure. */
export function statefulSetStatus(set: StatefulSet, inputs: StatusInputs): Status {
  const { pods, updateRevision, now } = inputs;
  const desired = set.spec?.replicas ?? 1;
  const staying = pods.filter(({ metadata }) => !metadata.deletionTimestamp);
  const ofRevision = (name: string) =>
    staying.filter(({ metadata }) => metadata.labels?.[REVISION_LABEL] === name).length;
  const ready = pods.filter(isPodReady);
  const updated = ofRevision(updateRevision);
  const rolling = set.spec?.updateStrategy?.type !== 'OnDelete';
  const complete = rolling && updated === desired && pods.length === desired && ready.length === desired;
  const currentRevision = complete ? updateRevision : inputs.currentRevision;
  return {
    observedGeneration: set.metadata.generation,
    replicas: pods.length,
    ...omitZero({
      readyReplicas: ready.length,
      currentReplicas: ofRevision(currentRevision),
      updatedReplicas: updated,
    }),
    availableReplicas: ready.filter((pod) => availableInMs(pod, set.spec?.minReadySeconds, now) <= 0).length,
    currentRevision,
    updateRevision,
    collisionCount: inputs.collisionCount,
  };
}
