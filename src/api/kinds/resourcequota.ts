import { ageColumn, column, nameColumn } from '../columns.ts';
import { validateQuota } from '../quota/validation.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { ResourceQuota } from '../types.ts';

export const resourceQuotas: Resource<ResourceQuota> = {
  ...namespacedKind,
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  singular: 'resourcequota',
  shortNames: ['quota'],
  status: true,
  columns: [
    nameColumn,
    column('Request', (quota) => usage(quota, (name) => !name.startsWith('limits.'))),
    column('Limit', (quota) => usage(quota, (name) => name.startsWith('limits.'))),
    ageColumn,
  ],
  validate: validateQuota,
};

/** `<name>: <used>/<hard>` of the resources that `wanted` picks, sorted by name. */
function usage({ status }: ResourceQuota, wanted: (name: string) => boolean): string {
  const names = Object.keys(status?.hard ?? {}).filter(wanted);
  return names
    .sort()
    .map((name) => `${name}: ${status?.used?.[name] ?? 0}/${status?.hard?.[name]}`)
    .join(', ');
}
