import { ageColumn, column, nameColumn, selectorText, wide } from '../columns.ts';
import { humanDuration } from '../duration.ts';
import { containersColumn, imagesColumn } from '../pod/columns.ts';
import { setPodSpecDefaults } from '../pod/defaults.ts';
import { validateJobSpec, validateJobUpdate } from '../pod/job-validation.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { Job } from '../types.ts';

export const jobs: Resource<Job> = {
  ...namespacedKind,
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  singular: 'job',
  categories: ['all'],
  status: true,
  generation: true,
  fieldSelectors: { 'status.successful': (job) => String(job.status?.succeeded ?? 0) },
  columns: [
    nameColumn,
    column('Status', statusText),
    column('Completions', completionsText),
    column('Duration', durationText),
    ageColumn,
    containersColumn((job) => job.spec?.template),
    imagesColumn((job) => job.spec?.template),
    wide('Selector', (job) => selectorText(job.spec?.selector)),
  ],
  setDefaults(job) {
    const { spec } = job;
    if (!spec) return;
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
    spec.parallelism ??= 1;
    spec.backoffLimit ??= 6;
    spec.completionMode ??= 'NonIndexed';
    spec.suspend ??= false;
    spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
    spec.manualSelector ??= false;
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec);
  },
  prepareForCreate(job) {
    job.status = {};
    generateSelector(job);
  },
  validate: (job) => validateJobSpec(job.spec, { path: 'spec', generated: !job.spec?.manualSelector }),
  validateUpdate: (job, old) => validateJobUpdate(job.spec, old.spec),
};

/** Pods belong to a Job by labels that no other Job has, unless its selector is its own choice. */
function generateSelector(job: Job): void {
  const { metadata, spec } = job;
  if (!spec?.template) return;
  const { name, uid = '' } = metadata;
  const names = { 'job-name': name, 'batch.kubernetes.io/job-name': name };
  const uids = { 'controller-uid': uid, 'batch.kubernetes.io/controller-uid': uid };
  spec.template.metadata ??= {};
  spec.template.metadata.labels = { ...spec.template.metadata.labels, ...names, ...(spec.manualSelector ? {} : uids) };
  if (Object.keys(job.metadata.labels ?? {}).length === 0)
    job.metadata.labels = { ...spec.template.metadata.labels } as Record<string, string>;
  if (spec.manualSelector || spec.selector) return;
  spec.selector = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
}

function isTrue({ status }: Job, type: string): boolean {
  return status?.conditions?.find((condition) => condition.type === type)?.status === 'True';
}

function statusText(job: Job): string {
  for (const type of ['Complete', 'Failed']) if (isTrue(job, type)) return type;
  if (job.metadata.deletionTimestamp) return 'Terminating';
  const found = ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find((type) => isTrue(job, type));
  return found ?? 'Running';
}

function completionsText({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationText({ status }: Job, now: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : now;
  return humanDuration(end - Date.parse(status.startTime));
}
