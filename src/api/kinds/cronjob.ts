import { ageColumn, column, nameColumn, selectorText, wide } from '../columns.ts';
import { age } from '../duration.ts';
import { type FieldError, invalidValue, requiredValue } from '../field-error.ts';
import { containersColumn, imagesColumn } from '../pod/columns.ts';
import { setPodSpecDefaults } from '../pod/defaults.ts';
import { validateJobSpec } from '../pod/job-validation.ts';
import { nonNegative, supported } from '../pod/validation.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import { isTimeZone, scheduleError } from '../schedule.ts';
import type { CronJob } from '../types.ts';

export const cronJobs: Resource<CronJob> = {
  ...namespacedKind,
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  singular: 'cronjob',
  shortNames: ['cj'],
  categories: ['all'],
  status: true,
  generation: true,
  columns: [
    nameColumn,
    column('Schedule', (job) => job.spec?.schedule ?? ''),
    column('Timezone', (job) => job.spec?.timeZone ?? '<none>'),
    column('Suspend', suspendText, 'boolean'),
    column('Active', (job) => job.status?.active?.length ?? 0, 'integer'),
    column('Last Schedule', ({ status }, now) =>
      status?.lastScheduleTime ? age(status.lastScheduleTime, now) : '<none>',
    ),
    ageColumn,
    containersColumn((job) => job.spec?.jobTemplate.spec?.template),
    imagesColumn((job) => job.spec?.jobTemplate.spec?.template),
    wide('Selector', (job) => selectorText(job.spec?.jobTemplate.spec?.selector)),
  ],
  setDefaults({ spec }) {
    if (!spec) return;
    spec.concurrencyPolicy ??= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    const podSpec = spec.jobTemplate?.spec?.template?.spec;
    if (podSpec) setPodSpecDefaults(podSpec);
  },
  prepareForCreate(job) {
    job.status = {};
  },
  validate: validateCronJob,
};

const POLICIES = ['Allow', 'Forbid', 'Replace'];
/** A Job's name is this and a dash and ten digits. */
const NAME_LENGTH = 52;

function validateCronJob({ metadata, spec }: CronJob): FieldError[] {
  const { name } = metadata;
  return [
    ...(name.length > NAME_LENGTH
      ? [invalidValue('metadata.name', name, `must be no more than ${NAME_LENGTH} characters`)]
      : []),
    ...(spec?.schedule ? validateSchedule(spec) : [requiredValue('spec.schedule')]),
    ...nonNegative(spec?.startingDeadlineSeconds, 'spec.startingDeadlineSeconds'),
    ...nonNegative(spec?.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit'),
    ...nonNegative(spec?.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit'),
    ...supported(spec?.concurrencyPolicy, { path: 'spec.concurrencyPolicy', values: POLICIES }),
    ...validateJobSpec(spec?.jobTemplate?.spec, { path: 'spec.jobTemplate.spec', generated: true, template: true }),
  ];
}

function validateSchedule({ schedule, timeZone }: NonNullable<CronJob['spec']>): FieldError[] {
  const errors: FieldError[] = [];
  const wrong = scheduleError(schedule);
  if (wrong) errors.push(invalidValue('spec.schedule', schedule, wrong));
  if (/TZ/.test(schedule) && timeZone) {
    errors.push(
      invalidValue('spec.schedule', schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule'),
    );
  }
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    errors.push(
      invalidValue(
        'spec.timeZone',
        timeZone,
        timeZone === '' ? 'timeZone must be nil or non-empty string' : `unknown time zone ${timeZone}`,
      ),
    );
  }
  return errors;
}

function suspendText({ spec }: CronJob): string {
  if (spec?.suspend === undefined) return '<unset>';
  return spec.suspend ? 'True' : 'False';
}
