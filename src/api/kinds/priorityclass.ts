import { ageColumn, column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { PriorityClass } from '../types.ts';

export const priorityClasses: Resource<PriorityClass> = {
  ...clusterKind,
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  singular: 'priorityclass',
  shortNames: ['pc'],
  generation: true,
  columns: [
    nameColumn,
    column('Value', (priorityClass) => priorityClass.value, 'integer'),
    column('Global-Default', (priorityClass) => priorityClass.globalDefault ?? false, 'boolean'),
    ageColumn,
    column('PreemptionPolicy', (priorityClass) => priorityClass.preemptionPolicy ?? ''),
  ],
  setDefaults(priorityClass) {
    priorityClass.preemptionPolicy ??= 'PreemptLowerPriority';
  },
};
