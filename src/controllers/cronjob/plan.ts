import { cronJobs } from '../../api/kinds/cronjob.ts';
import { parseSchedule, type Schedule } from '../../api/schedule.ts';
import type { CronJob, Job, New } from '../../api/types.ts';
import type { RecordedEvent } from '../../client/events.ts';
import { timestamp } from '../../lib/clock.ts';
import { controllerRef } from '../common.ts';
import { missedTimes } from './times.ts';

type Status = NonNullable<CronJob['status']>;

/** What a CronJob needs now. */
export interface Plan {
  /** Without the Job that is to be made. */
  readonly status: Status;
  readonly create: New<Job> | undefined;
  /** When the Job was due, in ms since the epoch. */
  readonly due: number | undefined;
  /** Jobs that the new one replaces, and those beyond the limits of history. */
  readonly remove: readonly Job[];
  readonly events: readonly RecordedEvent[];
  readonly again: number | undefined;
}

export interface Facts {
  /** The Jobs that the CronJob controls. */
  readonly jobs: readonly Job[];
  readonly now: number;
}

const MANY = 100;

/** One step of a CronJob. Pure. */
export function planCronJob(cron: CronJob, { jobs, now }: Facts): Plan {
  const { status, events } = statusOf(cron, jobs);
  const base: Plan = {
    status,
    events,
    create: undefined,
    due: undefined,
    remove: surplus(cron, jobs),
    again: undefined,
  };
  const { spec, metadata } = cron;
  if (metadata.deletionTimestamp || spec?.suspend) return base;
  let schedule: Schedule;
  try {
    schedule = parseSchedule(spec!.schedule, spec!.timeZone);
  } catch (error) {
    const message = `unparseable schedule: ${spec!.schedule} : ${(error as Error).message}`;
    return { ...base, events: [...events, warning('UnparseableSchedule', message)] };
  }
  const next = schedule.next(now);
  const timed = { ...base, again: next === undefined ? undefined : next - now };
  const missed = missedTimes(schedule, earliest(cron, now), now);
  return missed ? { ...timed, ...run(cron, { jobs, now, status, events: [...events], missed }) } : timed;
}

/** Times before this one are not looked at. */
function earliest({ metadata, spec, status }: CronJob, now: number): number {
  const last = Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp ?? '') || 0;
  const deadline = spec?.startingDeadlineSeconds;
  return deadline === undefined ? last : Math.max(last, now - deadline * 1000);
}

interface Due extends Facts {
  readonly status: Status;
  readonly events: RecordedEvent[];
  readonly missed: { readonly latest: number; readonly count: number };
}

function run(cron: CronJob, { jobs, now, status, events, missed }: Due): Partial<Plan> {
  const { spec } = cron;
  const due = missed.latest;
  if (missed.count > MANY && spec?.startingDeadlineSeconds === undefined) {
    const hint = 'Set or decrease .spec.startingDeadlineSeconds or check clock skew';
    events.push(warning('TooManyMissedTimes', `too many missed start times: ${missed.count}. ${hint}`));
  }
  const deadline = spec?.startingDeadlineSeconds;
  if (deadline !== undefined && due + deadline * 1000 < now) {
    events.push(warning('MissSchedule', `Missed scheduled time to start a job: ${new Date(due).toUTCString()}`));
    return { events };
  }
  const create = jobOf(cron, due);
  const active = (status.active ?? []).map((ref) => jobs.find(({ metadata }) => metadata.uid === ref.uid));
  if (jobs.some(({ metadata }) => metadata.name === create.metadata.name)) return { events };
  if (spec?.concurrencyPolicy === 'Forbid' && active.length > 0) {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    events.push({ type: 'Normal', reason: 'JobAlreadyActive', message });
    return { events };
  }
  const replaced = spec?.concurrencyPolicy === 'Replace' ? active.filter((job) => job !== undefined) : [];
  return { events, create, due, remove: [...surplus(cron, jobs), ...replaced] };
}

/** A CronJob's Job for a time. */
function jobOf(cron: CronJob, due: number): New<Job> {
  const { name, namespace } = cron.metadata;
  const template = structuredClone(cron.spec!.jobTemplate);
  const zone = cron.spec?.timeZone;
  return {
    metadata: {
      name: `${name}-${Math.floor(due / 60_000)}`,
      namespace,
      labels: template.metadata?.labels as Record<string, string>,
      annotations: {
        ...(template.metadata?.annotations as Record<string, string>),
        'batch.kubernetes.io/cronjob-scheduled-timestamp': zone ? inZone(due, zone) : timestamp(due),
      },
      ownerReferences: [controllerRef(cronJobs, cron)],
    },
    spec: template.spec!,
  };
}

/** RFC 3339 with a zone's offset. */
function inZone(time: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('sv', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(time);
  const offset = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
    .formatToParts(time)
    .find(({ type }) => type === 'timeZoneName')!.value;
  return `${parts.replace(' ', 'T')}${offset === 'GMT' ? 'Z' : offset.replace('GMT', '')}`;
}

function statusOf(cron: CronJob, jobs: readonly Job[]): { status: Status; events: RecordedEvent[] } {
  const events: RecordedEvent[] = [];
  const active = [];
  for (const ref of cron.status?.active ?? []) {
    const job = jobs.find(({ metadata }) => metadata.uid === ref.uid);
    const ended = job && endOf(job);
    if (!job) events.push(normal('MissingJob', `Active job went missing: ${ref.name}`));
    else if (ended) events.push(normal('SawCompletedJob', `Saw completed job: ${ref.name}, condition: ${ended}`));
    else active.push(ref);
  }
  const completed = jobs.map(({ status }) => status?.completionTime ?? '').filter((time) => time !== '');
  const lastSuccessfulTime = [cron.status?.lastSuccessfulTime ?? '', ...completed].sort().at(-1);
  const status: Status = {
    ...(active.length > 0 ? { active } : {}),
    ...(cron.status?.lastScheduleTime ? { lastScheduleTime: cron.status.lastScheduleTime } : {}),
    ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}),
  };
  return { status, events };
}

/** `Complete` or `Failed`. */
function endOf({ status }: Job): string | undefined {
  const ended = status?.conditions?.find((c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True');
  return ended?.type;
}

/** The oldest ended Jobs beyond what history keeps of each kind. */
function surplus({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const limits: readonly [string, number | undefined][] = [
    ['Complete', spec?.successfulJobsHistoryLimit],
    ['Failed', spec?.failedJobsHistoryLimit],
  ];
  return limits.flatMap(([end, limit]) => {
    if (limit === undefined) return [];
    const ended = jobs.filter((job) => endOf(job) === end && !job.metadata.deletionTimestamp);
    return ended.sort(byStart).slice(0, Math.max(0, ended.length - limit));
  });
}

function byStart(a: Job, b: Job): number {
  const start = ({ status, metadata }: Job) => Date.parse(status?.startTime ?? metadata.creationTimestamp ?? '') || 0;
  return start(a) - start(b) || (a.metadata.name < b.metadata.name ? -1 : 1);
}

function normal(reason: string, message: string): RecordedEvent {
  return { type: 'Normal', reason, message };
}

function warning(reason: string, message: string): RecordedEvent {
  return { type: 'Warning', reason, message };
}
