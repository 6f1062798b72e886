import type { Job, Pod } from '../../api/types.ts';
import { isPodActive } from '../common.ts';
import { type PolicyAnswer, policyFor } from './failure-policy.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';
import { endingOf, failuresBefore, indexOf, isIndexed, isTerminating, isTracked } from './pod.ts';

/**
 * What a Job's pods came to. A pod that ended is first listed in `status.uncountedTerminatedPods`, then let go, then
 * counted: each pod counts once, whatever is interrupted between these steps.
 */
export interface Count {
  readonly active: readonly Pod[];
  readonly terminating: readonly Pod[];
  readonly succeeded: number;
  readonly failed: number;
  /** Counted for good. */
  readonly settled: { readonly succeeded: number; readonly failed: number };
  /** uids of pods that ended and are not yet in the counters. */
  readonly uncounted: { readonly succeeded: readonly string[]; readonly failed: readonly string[] };
  /** Pods that have been seen to end and may go, once the status says so. */
  readonly release: readonly Pod[];
  readonly completedIndexes: ReadonlySet<number>;
  readonly failedIndexes: ReadonlySet<number>;
  /** What the failure policy ends the whole Job for. */
  readonly fatal: string | undefined;
}

/** Pure. */
export function countPods(job: Job, pods: readonly Pod[]): Count {
  const { status } = job;
  const byUid = new Map(pods.map((pod) => [pod.metadata.uid!, pod]));
  const listed = status?.uncountedTerminatedPods;
  const isHeld = (uid: string) => isTracked(byUid.get(uid) ?? ({ metadata: {} } as Pod));
  const held = { succeeded: (listed?.succeeded ?? []).filter(isHeld), failed: (listed?.failed ?? []).filter(isHeld) };
  const settled = {
    succeeded: (status?.succeeded ?? 0) + (listed?.succeeded?.length ?? 0) - held.succeeded.length,
    failed: (status?.failed ?? 0) + (listed?.failed?.length ?? 0) - held.failed.length,
  };
  const known = new Set([...held.succeeded, ...held.failed]);
  const ended = endings(
    job,
    pods.filter((pod) => isTracked(pod) && !known.has(pod.metadata.uid!)),
  );
  const uidsOf = (list: readonly Pod[]) => list.map((pod) => pod.metadata.uid!);
  const uncounted = {
    succeeded: isIndexed(job) ? [] : [...held.succeeded, ...uidsOf(ended.succeeded)],
    failed: [...held.failed, ...uidsOf(ended.failed)],
  };
  const completedIndexes = completed(job, pods);
  const failedIndexes = failedOf(job, pods, completedIndexes);
  const base = isIndexed(job) ? { ...settled, succeeded: completedIndexes.size } : settled;
  return {
    active: pods.filter((pod) => isPodActive(pod)),
    terminating: pods.filter(isTerminating),
    succeeded: base.succeeded + uncounted.succeeded.length,
    failed: base.failed + uncounted.failed.length,
    settled: base,
    uncounted,
    release: [...pods.filter((pod) => known.has(pod.metadata.uid!)), ...ended.all],
    completedIndexes,
    failedIndexes,
    fatal: ended.fatal,
  };
}

interface Endings {
  readonly all: readonly Pod[];
  readonly succeeded: readonly Pod[];
  readonly failed: readonly Pod[];
  readonly fatal: string | undefined;
}

function endings(job: Job, pods: readonly Pod[]): Endings {
  const all = pods.filter((pod) => endingOf(job, pod) !== undefined);
  const succeeded = all.filter((pod) => endingOf(job, pod) === 'succeeded');
  const failures = all
    .filter((pod) => endingOf(job, pod) === 'failed')
    .map((pod): { pod: Pod; answer: PolicyAnswer } => ({ pod, answer: policyFor(job, pod) }));
  const failed = failures.filter(({ answer }) => answer.action !== 'Ignore').map(({ pod }) => pod);
  const fatal = failures.find(({ answer }) => answer.action === 'FailJob')?.answer.message;
  return { all, succeeded, failed, fatal };
}

function completed(job: Job, pods: readonly Pod[]): Set<number> {
  const indexes = parseIndexes(job.status?.completedIndexes);
  if (!isIndexed(job)) return indexes;
  for (const pod of pods) {
    const index = indexOf(pod);
    const counts = index !== undefined && index < (job.spec?.completions ?? 0) && isTracked(pod);
    if (counts && endingOf(job, pod) === 'succeeded') indexes.add(index);
  }
  return indexes;
}

/** Indexes that failed more often than `backoffLimitPerIndex` allows, or that the failure policy gives up. */
function failedOf(job: Job, pods: readonly Pod[], done: ReadonlySet<number>): Set<number> {
  const limit = job.spec?.backoffLimitPerIndex;
  const indexes = parseIndexes(job.status?.failedIndexes);
  if (limit === undefined) return indexes;
  for (const pod of pods) {
    const index = indexOf(pod);
    if (index === undefined || done.has(index) || endingOf(job, pod) !== 'failed') continue;
    const { action } = policyFor(job, pod);
    if (action === 'FailIndex' || (action === 'Count' && failuresBefore(pod) >= limit)) indexes.add(index);
  }
  return indexes;
}

/** Fields of `status` that say what was counted. */
export function countStatus(job: Job, count: Count): object {
  const { completedIndexes, failedIndexes, uncounted } = count;
  const lists = {
    ...(uncounted.succeeded.length > 0 ? { succeeded: uncounted.succeeded } : {}),
    ...(uncounted.failed.length > 0 ? { failed: uncounted.failed } : {}),
  };
  return {
    ...(isIndexed(job) && completedIndexes.size > 0 ? { completedIndexes: formatIndexes(completedIndexes) } : {}),
    ...(job.spec?.backoffLimitPerIndex === undefined ? {} : { failedIndexes: formatIndexes(failedIndexes) }),
    uncountedTerminatedPods: lists,
  };
}
