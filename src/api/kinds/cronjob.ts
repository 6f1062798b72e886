import { ageColumn, column, nameColumn, selectorText, wide } from '../columns.ts';
import { age } from '../duration.ts';
import { containersColumn, imagesColumn } from '../pod/columns.ts';
import { setPodSpecDefaults } from '../pod/defaults.ts';
import { namespacedKind, type Resource } from '../resource.ts';
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
};

function suspendText({ spec }: CronJob): string {
  if (spec?.suspend === undefined) return '<unset>';
  return spec.suspend ? 'True' : 'False';
}
