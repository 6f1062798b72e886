import type { Deployment, ReplicaSet } from '../api/types.ts';
import { timestamp } from '../lib/clock.ts';
import { rollingLimits } from './rollout.ts';

type Status = NonNullable<Deployment['status']>;
type Condition = NonNullable<Status['conditions']>[number];

export interface StatusInputs {
  readonly current: ReplicaSet | undefined;
  readonly others: readonly ReplicaSet[];
  readonly now: number;
}

/** The status of a Deployment from its ReplicaSets. Pure. */
export function deploymentStatus(deployment: Deployment, { current, others, now }: StatusInputs): Status {
  const all = [...(current ? [current] : []), ...others];
  const sum = (pick: (set: ReplicaSet) => number | undefined) =>
    all.reduce((total, set) => total + (pick(set) ?? 0), 0);
  const desired = deployment.spec?.replicas ?? 1;
  const replicas = sum((set) => set.status?.replicas);
  const available = sum((set) => set.status?.availableReplicas);
  const updated = current?.status?.replicas ?? 0;
  const facts = { deployment, current, desired, replicas, available, updated, now };
  return {
    observedGeneration: deployment.metadata.generation,
    replicas,
    updatedReplicas: updated,
    readyReplicas: sum((set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, Math.max(replicas, desired) - available),
    conditions: [availableCondition(facts), progressingCondition(facts)],
  };
}

interface Facts {
  readonly deployment: Deployment;
  readonly current: ReplicaSet | undefined;
  readonly desired: number;
  readonly replicas: number;
  readonly available: number;
  readonly updated: number;
  readonly now: number;
}

function availableCondition(facts: Facts): Condition {
  const enough = facts.available >= facts.desired - rollingLimits(facts.deployment).maxUnavailable;
  return keepTimes(
    facts,
    enough
      ? {
          type: 'Available',
          status: 'True',
          reason: 'MinimumReplicasAvailable',
          message: 'Deployment has minimum availability.',
        }
      : {
          type: 'Available',
          status: 'False',
          reason: 'MinimumReplicasUnavailable',
          message: 'Deployment does not have minimum availability.',
        },
  );
}

function progressingCondition(facts: Facts): Condition {
  const { deployment, current, desired, replicas, available, updated } = facts;
  const name = current?.metadata.name ?? '';
  if (deployment.spec?.paused) {
    return keepTimes(facts, {
      type: 'Progressing',
      status: 'Unknown',
      reason: 'DeploymentPaused',
      message: 'Deployment is paused',
    });
  }
  const complete = updated === desired && replicas === desired && available === desired;
  const message = complete
    ? `ReplicaSet "${name}" has successfully progressed.`
    : `ReplicaSet "${name}" is progressing.`;
  const reason = complete ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated';
  const condition = keepTimes(facts, { type: 'Progressing', status: 'True', reason, message });
  return complete ? condition : expired(facts, condition);
}

/** Nothing has moved for `progressDeadlineSeconds`. */
function expired(facts: Facts, condition: Condition): Condition {
  const { deployment, current, now, updated, available, replicas } = facts;
  const { status = {} } = deployment;
  const moved =
    status.updatedReplicas !== updated || status.availableReplicas !== available || status.replicas !== replicas;
  const since = moved ? now : Date.parse(condition.lastUpdateTime ?? '');
  const limitMs = (deployment.spec?.progressDeadlineSeconds ?? 600) * 1000;
  if (moved) return { ...condition, lastUpdateTime: timestamp(now) };
  if (now - since < limitMs) return condition;
  const message = `ReplicaSet "${current?.metadata.name ?? ''}" has timed out progressing.`;
  return keepTimes(facts, { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message });
}

function keepTimes({ deployment, now }: Facts, condition: Condition): Condition {
  const old = deployment.status?.conditions?.find((other) => other.type === condition.type);
  const time = timestamp(now);
  return {
    ...condition,
    lastUpdateTime:
      old && old.reason === condition.reason && old.status === condition.status ? old.lastUpdateTime : time,
    lastTransitionTime: old && old.status === condition.status ? old.lastTransitionTime : time,
  };
}
