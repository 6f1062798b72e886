import { jobs } from '../../api/kinds/job.ts';
import type { Job, New, Pod } from '../../api/types.ts';
import { isPodFinished } from '../common.ts';
import { podFromTemplate } from '../podcontrol.ts';

/** Holds a pod that has ended until the Job has counted it. */
export const TRACKING = 'batch.kubernetes.io/job-tracking';
export const INDEX = 'batch.kubernetes.io/job-completion-index';
const FAILURES = 'batch.kubernetes.io/job-index-failure-count';

export function isIndexed({ spec }: Job): boolean {
  return spec?.completionMode === 'Indexed';
}

export function isTracked({ metadata }: Pod): boolean {
  return metadata.finalizers?.includes(TRACKING) ?? false;
}

/** The completion index of a pod; undefined for a Job without indexes. */
export function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[INDEX];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** A pod of a Job; `index`: of an Indexed one, whose pods are told their index. Pure. */
export function jobPod(job: Job, index: number | undefined, failures = 0): New<Pod> {
  const pod = podFromTemplate({ kind: jobs, object: job }, job.spec?.template);
  pod.metadata.finalizers = [...(pod.metadata.finalizers ?? []), TRACKING];
  if (index === undefined) return pod;
  const { name } = job.metadata;
  pod.metadata.generateName = `${name}-${index}-`;
  pod.metadata.labels = { ...pod.metadata.labels, [INDEX]: String(index) };
  pod.metadata.annotations = { ...pod.metadata.annotations, [INDEX]: String(index) };
  if (job.spec?.backoffLimitPerIndex !== undefined) pod.metadata.annotations[FAILURES] = String(failures);
  pod.spec!.hostname = `${name}-${index}`;
  for (const container of [...pod.spec!.containers, ...(pod.spec!.initContainers ?? [])]) {
    if (container.env?.some((env) => env.name === 'JOB_COMPLETION_INDEX')) continue;
    const valueFrom = { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${INDEX}']` } };
    container.env = [...(container.env ?? []), { name: 'JOB_COMPLETION_INDEX', valueFrom }];
  }
  return pod;
}

/** How often pods of the same index had failed before this one was made. */
export function failuresBefore({ metadata }: Pod): number {
  return Number(metadata.annotations?.[FAILURES] ?? 0) || 0;
}

export type Ending = 'succeeded' | 'failed' | undefined;

/** How a pod ended; one that is being deleted has failed, unless replacements must wait for its end. */
export function endingOf({ spec }: Job, pod: Pod): Ending {
  if (pod.status?.phase === 'Succeeded') return 'succeeded';
  if (pod.status?.phase === 'Failed') return 'failed';
  const waits = spec?.podReplacementPolicy === 'Failed' || spec?.podFailurePolicy !== undefined;
  return pod.metadata.deletionTimestamp && !waits ? 'failed' : undefined;
}

export function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined && !isPodFinished(pod);
}

/** When a pod ended, in ms since the epoch. */
export function endedAt(pod: Pod, now: number): number {
  const ends = (pod.status?.containerStatuses ?? []).map(({ state }) =>
    Date.parse(state?.terminated?.finishedAt ?? ''),
  );
  const known = ends.filter((time) => time > 0);
  if (known.length > 0) return Math.max(...known);
  return Date.parse(pod.metadata.deletionTimestamp ?? '') || now;
}
