import type { Job } from '../../api/types.ts';
import type { Count } from './count.ts';
import { parseIndexes } from './indexes.ts';
import { isIndexed } from './pod.ts';

/** Why a Job ends. */
export interface Verdict {
  readonly outcome: 'Complete' | 'Failed';
  readonly reason: string;
  readonly message: string;
}

type Condition = NonNullable<NonNullable<Job['status']>['conditions']>[number];

function trueCondition({ status }: Job, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type && condition.status === 'True');
}

/** The condition of a Job that has ended. */
export function finishedCondition(job: Job): Condition | undefined {
  return trueCondition(job, 'Complete') ?? trueCondition(job, 'Failed');
}

/** Undefined while a Job goes on. What was once decided stays. Pure. */
export function verdictOf(job: Job, count: Count, now: number): Verdict | undefined {
  for (const [type, outcome] of [
    ['FailureTarget', 'Failed'],
    ['SuccessCriteriaMet', 'Complete'],
  ] as const) {
    const decided = trueCondition(job, type);
    if (decided) return { outcome, reason: decided.reason ?? '', message: decided.message ?? '' };
  }
  return failure(job, count, now) ?? success(job, count);
}

function failed(reason: string, message: string): Verdict {
  return { outcome: 'Failed', reason, message };
}

function failure(job: Job, count: Count, now: number): Verdict | undefined {
  const { spec, status } = job;
  if (count.fatal !== undefined) return failed('PodFailurePolicy', count.fatal);
  if (count.failed > backoffLimit(job) || restartsExceeded(job, count)) {
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  const deadline = spec?.activeDeadlineSeconds;
  const started = Date.parse(status?.startTime ?? '');
  if (!spec?.suspend && deadline !== undefined && now - started >= deadline * 1000) {
    return failed('DeadlineExceeded', 'Job was active longer than specified deadline');
  }
  return indexFailure(job, count);
}

function backoffLimit({ spec }: Job): number {
  return spec?.backoffLimitPerIndex === undefined ? (spec?.backoffLimit ?? 6) : (spec.backoffLimit ?? Infinity);
}

/** Containers that were restarted in place (`OnFailure`) count as failures too. */
function restartsExceeded({ spec }: Job, { active }: Count): boolean {
  if (spec?.template.spec?.restartPolicy !== 'OnFailure') return false;
  const limit = spec.backoffLimit ?? 6;
  const statuses = active.flatMap(({ status }) => [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]);
  const restarts = statuses.reduce((sum, { restartCount }) => sum + restartCount, 0);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

function indexFailure({ spec }: Job, { failedIndexes, completedIndexes }: Count): Verdict | undefined {
  if (spec?.backoffLimitPerIndex === undefined || failedIndexes.size === 0) return undefined;
  if (spec.maxFailedIndexes !== undefined && failedIndexes.size > spec.maxFailedIndexes) {
    return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  }
  const all = failedIndexes.size + completedIndexes.size >= (spec.completions ?? 0);
  return all ? failed('FailedIndexes', 'Job has failed indexes') : undefined;
}

function success(job: Job, count: Count): Verdict | undefined {
  const { spec } = job;
  const rule = isIndexed(job) ? satisfiedRule(job, count) : undefined;
  if (rule !== undefined) {
    return { outcome: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${rule}` };
  }
  const reached =
    spec?.completions === undefined
      ? count.succeeded > 0 && count.active.length === 0
      : count.succeeded >= spec.completions;
  const message = 'Reached expected number of succeeded pods';
  return reached ? { outcome: 'Complete', reason: 'CompletionsReached', message } : undefined;
}

function satisfiedRule({ spec }: Job, { completedIndexes }: Count): number | undefined {
  const rules = spec?.successPolicy?.rules ?? [];
  const found = rules.findIndex(({ succeededIndexes, succeededCount }) => {
    const asked = succeededIndexes === undefined ? undefined : parseIndexes(succeededIndexes);
    const done = [...completedIndexes].filter((index) => asked === undefined || asked.has(index)).length;
    return done >= (succeededCount ?? asked?.size ?? Infinity);
  });
  return found < 0 ? undefined : found;
}
