import type { Deployment, ReplicaSet } from '../../api/types.ts';
import { timestamp } from '../../lib/clock.ts';
import { findCondition, omitZero } from '../common.ts';
import { rollingLimits } from './plan.ts';

type Status = NonNullable<Deployment['status']>;
type Condition = NonNullable<Status['conditions']>[number];
type Finding = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** A deadline of this many seconds is none (the largest int32). */
const NO_DEADLINE = 2 ** 31 - 1;

export interface StatusInputs {
  readonly current: ReplicaSet | undefined;
  readonly others: readonly ReplicaSet[];
  readonly now: number;
  /** What was just done about the newest ReplicaSet, or why it could not be. */
  readonly event?: NewSetEvent | undefined;
  /** Told anew after a name collision. */
  readonly collisionCount?: number | undefined;
}

export type NewSetEvent =
  | { readonly type: 'created' | 'found'; readonly name: string }
  | { readonly type: 'failed'; readonly message: string };

/** The status of a Deployment from its ReplicaSets. Pure. */
export function deploymentStatus(deployment: Deployment, inputs: StatusInputs): Status {
  const { current, others } = inputs;
  const all = [...(current ? [current] : []), ...others];
  const sum = (pick: (set: ReplicaSet) => number | undefined) =>
    all.reduce((total, set) => total + (pick(set) ?? 0), 0);
  const available = sum((set) => set.status?.availableReplicas);
  const counts = {
    replicas: sum((set) => set.status?.replicas),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sum((set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sum((set) => set.spec?.replicas) - available),
    terminatingReplicas: sum((set) => set.status?.terminatingReplicas),
  };
  const facts: Facts = { ...inputs, deployment, counts };
  return {
    observedGeneration: deployment.metadata.generation,
    ...omitZero(counts),
    ...omitZero({ collisionCount: inputs.collisionCount ?? deployment.status?.collisionCount ?? 0 }),
    conditions: [
      keepTimes(facts, availability(facts)),
      ...progress(facts),
      ...failures(all).map((finding) => keepTimes(facts, finding)),
    ],
  };
}

/** How long until a rollout that does not move is late; undefined when there is nothing to wait for. */
export function deadlineMs(deployment: Deployment, status: Status, now: number): number | undefined {
  const progressing = findCondition(status.conditions, 'Progressing');
  const seconds = deployment.spec?.progressDeadlineSeconds ?? 600;
  if (seconds === NO_DEADLINE || deployment.spec?.paused || !progressing) return undefined;
  if (['NewReplicaSetAvailable', 'ProgressDeadlineExceeded'].includes(progressing.reason!)) return undefined;
  return Math.max(0, Date.parse(progressing.lastUpdateTime!) + seconds * 1000 - now) + 1000;
}

export function isComplete({ spec }: Deployment, status: Status): boolean {
  const desired = spec?.replicas ?? 1;
  return [status.updatedReplicas, status.replicas, status.availableReplicas].every((count) => (count ?? 0) === desired);
}

interface Facts extends StatusInputs {
  readonly deployment: Deployment;
  readonly counts: {
    readonly replicas: number;
    readonly updatedReplicas: number;
    readonly readyReplicas: number;
    readonly availableReplicas: number;
  };
}

function availability({ deployment, counts }: Facts): Finding {
  const desired = deployment.spec?.replicas ?? 1;
  const enough = counts.availableReplicas >= desired - rollingLimits(deployment).maxUnavailable;
  return {
    type: 'Available',
    status: enough ? 'True' : 'False',
    reason: enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: `Deployment ${enough ? 'has' : 'does not have'} minimum availability.`,
  };
}

/** What the newest ReplicaSet could not do with its pods, or else another. */
function failures(sets: readonly ReplicaSet[]): Finding[] {
  const found = sets.map((set) => findCondition(set.status?.conditions, 'ReplicaFailure'));
  const first = found.find((condition) => condition?.status === 'True');
  if (!first) return [];
  const { type, status, reason, message } = first;
  return [{ type, status, reason, message }];
}

function progress(facts: Facts): Condition[] {
  const { deployment } = facts;
  if ((deployment.spec?.progressDeadlineSeconds ?? 600) === NO_DEADLINE) return [];
  const before = findCondition(deployment.status?.conditions, 'Progressing');
  const finding = progressFinding(facts, before);
  if (!finding) return before ? [before] : [];
  const condition = keepTimes(facts, finding);
  return [isMoving(facts) && finding.reason === 'ReplicaSetUpdated' ? touched(facts, condition) : condition];
}

/** Undefined: as before. */
function progressFinding(facts: Facts, before: Condition | undefined): Finding | undefined {
  const { deployment, event, counts } = facts;
  const about = (reason: string, message: string): Finding => ({
    type: 'Progressing',
    status: 'True',
    reason,
    message,
  });
  const late = before?.reason === 'ProgressDeadlineExceeded';
  if (deployment.spec?.paused) {
    return late ? undefined : { ...about('DeploymentPaused', 'Deployment is paused'), status: 'Unknown' };
  }
  if (event?.type === 'failed') return { ...about('ReplicaSetCreateError', event.message), status: 'False' };
  if (event?.type === 'created') return about('NewReplicaSetCreated', `Created new replica set "${event.name}"`);
  const subject = subjectOf(facts);
  if (before?.reason === 'NewReplicaSetAvailable' && counts.replicas === counts.updatedReplicas) return undefined;
  if (isComplete(deployment, counts)) {
    return about('NewReplicaSetAvailable', `${subject} has successfully progressed.`);
  }
  if (isMoving(facts)) return about('ReplicaSetUpdated', `${subject} is progressing.`);
  if (isLate(facts, before)) {
    return { ...about('ProgressDeadlineExceeded', `${subject} has timed out progressing.`), status: 'False' };
  }
  if (before?.reason === 'DeploymentPaused') {
    return { ...about('DeploymentResumed', 'Deployment is resumed'), status: 'Unknown' };
  }
  if (event?.type === 'found' && !before) return about('FoundNewReplicaSet', `Found new replica set "${event.name}"`);
  return before ? undefined : about('ReplicaSetUpdated', `${subject} is progressing.`);
}

function subjectOf({ deployment, current }: Facts): string {
  return current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
}

/** More new pods, fewer old ones, more of them ready or available than the status says. */
function isMoving({ deployment, counts }: Facts): boolean {
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = deployment.status ?? {};
  return (
    counts.updatedReplicas > updatedReplicas ||
    counts.replicas - counts.updatedReplicas < replicas - updatedReplicas ||
    counts.readyReplicas > readyReplicas ||
    counts.availableReplicas > availableReplicas
  );
}

function isLate({ deployment, now }: Facts, before: Condition | undefined): boolean {
  if (!before || before.reason === 'NewReplicaSetAvailable') return false;
  if (before.reason === 'ProgressDeadlineExceeded') return true;
  const seconds = deployment.spec?.progressDeadlineSeconds ?? 600;
  return Date.parse(before.lastUpdateTime!) + seconds * 1000 < now;
}

function touched({ now }: Facts, condition: Condition): Condition {
  return { ...condition, lastUpdateTime: timestamp(now) };
}

/** A condition that says the same as before keeps its times; one whose status is the same, that of its transition. */
function keepTimes({ deployment, now }: Facts, finding: Finding): Condition {
  const old = findCondition(deployment.status?.conditions, finding.type);
  const time = timestamp(now);
  const sameStatus = old?.status === finding.status;
  const { type, status, reason, message } = finding;
  const lastUpdateTime = sameStatus && old.reason === reason ? old.lastUpdateTime : time;
  return {
    type,
    status,
    lastUpdateTime,
    lastTransitionTime: sameStatus ? old.lastTransitionTime : time,
    reason,
    message,
  };
}
