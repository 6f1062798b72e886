import type { Job, Pod } from '../../api/types.ts';
import { timestamp } from '../../lib/clock.ts';
import { isPodReady, omitZero } from '../common.ts';
import { type Count, countPods, countStatus } from './count.ts';
import { endedAt, endingOf, failuresBefore, indexOf, isIndexed, isTracked } from './pod.ts';
import { finishedCondition, type Verdict, verdictOf } from './verdict.ts';

type Status = NonNullable<Job['status']>;
type Condition = NonNullable<Status['conditions']>[number];

/** A pod to be made. */
export interface Wanted {
  readonly index: number | undefined;
  /** How often pods of the index failed before. */
  readonly failures: number;
}

/** What a Job needs now: its status is written first, then pods are let go, deleted and made. */
export interface Plan {
  readonly status: Status;
  readonly release: readonly Pod[];
  readonly remove: readonly Pod[];
  readonly create: readonly Wanted[];
  /** Look again after so many ms. */
  readonly again: number | undefined;
}

export interface Facts {
  readonly pods: readonly Pod[];
  readonly now: number;
}

const BACKOFF_FIRST_MS = 10_000;
const BACKOFF_MAX_MS = 600_000;

/** One step of a Job. Pure. */
export function planJob(job: Job, { pods, now }: Facts): Plan {
  if (finishedCondition(job) || job.metadata.deletionTimestamp) {
    return { status: job.status ?? {}, release: pods.filter(isTracked), remove: [], create: [], again: undefined };
  }
  const started = withStart(job, now);
  const count = countPods(started, pods);
  const verdict = verdictOf(started, count, now);
  const { release, active } = count;
  if (verdict) {
    const status = finish(started, { count, verdict, now });
    return { status, release, remove: active, create: [], again: undefined };
  }
  if (job.spec?.suspend) {
    return { status: suspended(started, count, now), release, remove: active, create: [], again: undefined };
  }
  const { create, remove, wait } = manage(started, { pods, now }, count);
  const deadline = job.spec?.activeDeadlineSeconds;
  const left = deadline === undefined ? undefined : Date.parse(started.status!.startTime!) + deadline * 1000 - now;
  const waits = [wait, left].filter((ms) => ms !== undefined);
  const status = { ...running(started, count), conditions: resumed(started, now) };
  return { status: tidy(status), release, remove, create, again: waits.length > 0 ? Math.min(...waits) : undefined };
}

function withStart(job: Job, now: number): Job {
  if (job.status?.startTime || job.spec?.suspend) return job;
  return { ...job, status: { ...job.status, startTime: timestamp(now) } };
}

function running(job: Job, count: Count): Status {
  const { active, terminating, settled } = count;
  const { startTime, completionTime } = job.status ?? {};
  return {
    startTime,
    completionTime,
    ...omitZero({ active: active.length, succeeded: settled.succeeded, failed: settled.failed }),
    ready: active.filter(isPodReady).length,
    terminating: terminating.length,
    ...countStatus(job, count),
  };
}

function tidy(status: Status): Status {
  const fields = Object.entries(status).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(fields) as Status;
}

/** `conditions` with one of them as it is now. */
function withCondition(
  job: Job,
  condition: Omit<Condition, 'lastProbeTime' | 'lastTransitionTime'>,
  now: number,
): Condition[] {
  const before = job.status?.conditions ?? [];
  const old = before.find(({ type }) => type === condition.type);
  if (old && old.status === condition.status && old.reason === condition.reason) return [...before];
  const time = timestamp(now);
  const { type, status, reason, message } = condition;
  return [
    ...before.filter((one) => one.type !== type),
    { type, status, lastProbeTime: time, lastTransitionTime: time, reason, message },
  ];
}

/** First what is decided, then, when no pod is left and all are counted, the end. */
function finish(job: Job, { count, verdict, now }: { count: Count; verdict: Verdict; now: number }): Status {
  const { outcome, reason, message } = verdict;
  const target = outcome === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget';
  const conditions = withCondition(job, { type: target, status: 'True', reason, message }, now);
  const status = { ...running(job, count), conditions };
  const open =
    count.active.length + count.terminating.length + count.uncounted.succeeded.length + count.uncounted.failed.length;
  if (open > 0) return tidy(status);
  const decided = { ...job, status };
  const ended = withCondition(decided, { type: outcome, status: 'True', reason, message }, now);
  const completionTime = outcome === 'Complete' ? timestamp(now) : undefined;
  return tidy({ ...status, conditions: ended, completionTime });
}

function suspended(job: Job, count: Count, now: number): Status {
  const condition = { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended' };
  return tidy({ ...running(job, count), startTime: undefined, conditions: withCondition(job, condition, now) });
}

function resumed(job: Job, now: number): Condition[] {
  const old = job.status?.conditions?.find(({ type }) => type === 'Suspended');
  if (old?.status !== 'True') return job.status?.conditions ?? [];
  return withCondition(job, { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' }, now);
}

interface Managed {
  readonly create: readonly Wanted[];
  readonly remove: readonly Pod[];
  readonly wait: number | undefined;
}

/** Pods that are missing or too many. New ones wait after failures: 10 s, 20 s, … 10 min. */
function manage(job: Job, facts: Facts, count: Count): Managed {
  const wanted = wantedActive(job, count);
  const { active, terminating } = count;
  if (active.length > wanted) {
    return { create: [], remove: surplus(active, active.length - wanted), wait: undefined };
  }
  const held = job.spec?.podReplacementPolicy === 'Failed' ? terminating.length : 0;
  const missing = wanted - active.length - held;
  if (missing <= 0) return { create: [], remove: [], wait: undefined };
  if (isIndexed(job)) return nextIndexes(job, { ...facts, count, missing });
  const wait = backoffMs(job, facts);
  if (wait > 0) return { create: [], remove: [], wait };
  const one: Wanted = { index: undefined, failures: 0 };
  return { create: Array.from({ length: missing }, () => one), remove: [], wait: undefined };
}

function wantedActive({ spec }: Job, { active, succeeded, failedIndexes }: Count): number {
  const parallelism = spec?.parallelism ?? 1;
  if (spec?.completions === undefined) return succeeded > 0 ? Math.min(active.length, parallelism) : parallelism;
  return Math.max(0, Math.min(parallelism, spec.completions - succeeded - failedIndexes.size));
}

/** Pods that are not ready go first, then those of the highest index, then the youngest. */
function surplus(active: readonly Pod[], amount: number): Pod[] {
  const rank = (pod: Pod) => [
    Number(isPodReady(pod)),
    -(indexOf(pod) ?? 0),
    -Date.parse(pod.metadata.creationTimestamp ?? ''),
  ];
  const ranked = active.map((pod) => ({ pod, rank: rank(pod) }));
  const compare = (a: number[], b: number[]) => a[0]! - b[0]! || a[1]! - b[1]! || a[2]! - b[2]!;
  return ranked
    .sort((a, b) => compare(a.rank, b.rank))
    .slice(0, amount)
    .map(({ pod }) => pod);
}

function nextIndexes(job: Job, { pods, now, count, missing }: Facts & { count: Count; missing: number }): Managed {
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  const waiting = perIndex ? 0 : backoffMs(job, { pods, now });
  if (waiting > 0) return { create: [], remove: [], wait: waiting };
  const held = job.spec?.podReplacementPolicy === 'Failed' ? count.terminating : [];
  const busy = new Set([...count.active, ...held].map(indexOf));
  const byIndex = Map.groupBy(pods, indexOf);
  const create: Wanted[] = [];
  let wait: number | undefined;
  for (let index = 0; index < (job.spec?.completions ?? 0) && create.length < missing; index++) {
    if (busy.has(index) || count.completedIndexes.has(index) || count.failedIndexes.has(index)) continue;
    const before = byIndex.get(index) ?? [];
    const delay = perIndex ? backoffMs(job, { pods: before, now }) : 0;
    if (delay > 0) wait = Math.min(wait ?? Infinity, delay);
    else create.push({ index, failures: failuresOf(job, before) });
  }
  return { create, remove: [], wait };
}

function failuresOf(job: Job, pods: readonly Pod[]): number {
  const failed = pods.filter((pod) => endingOf(job, pod) === 'failed');
  return Math.max(0, ...failed.map((pod) => failuresBefore(pod) + 1));
}

/** What is left of the wait after the failures since the last success. */
function backoffMs(job: Job, { pods, now }: Facts): number {
  // What was deleted on purpose, by suspending or with fewer pods in parallel, is no failure.
  const counting = pods.filter((pod) => isTracked(pod) || !pod.metadata.deletionTimestamp);
  const ended = counting.map((pod) => ({ ending: endingOf(job, pod), at: endedAt(pod, now) }));
  const lastSuccess = Math.max(0, ...ended.filter(({ ending }) => ending === 'succeeded').map(({ at }) => at));
  const failures = ended.filter(({ ending, at }) => ending === 'failed' && at > lastSuccess);
  if (failures.length === 0) return 0;
  const span = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (failures.length - 1));
  return Math.max(0, Math.max(...failures.map(({ at }) => at)) + span - now);
}
