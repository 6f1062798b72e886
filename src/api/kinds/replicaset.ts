import { ageColumn, column, nameColumn, selectorText, wide } from '../columns.ts';
import { containersColumn, imagesColumn } from '../pod/columns.ts';
import { setPodSpecDefaults } from '../pod/defaults.ts';
import { validateWorkload, validateWorkloadUpdate } from '../pod/template.ts';
import type { Resource } from '../resource.ts';
import type { ReplicaSet } from '../types.ts';

export const replicaSets: Resource<ReplicaSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  singular: 'replicaset',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  status: true,
  scale: { specReplicas: ['spec', 'replicas'], statusReplicas: ['status', 'replicas'], selector: ['spec', 'selector'] },
  generation: true,
  fieldSelectors: { 'status.replicas': (set) => String(set.status?.replicas ?? 0) },
  columns: [
    nameColumn,
    column('Desired', (set) => set.spec?.replicas ?? 0, 'integer'),
    column('Current', (set) => set.status?.replicas ?? 0, 'integer'),
    column('Ready', (set) => set.status?.readyReplicas ?? 0, 'integer'),
    ageColumn,
    containersColumn((set) => set.spec?.template),
    imagesColumn((set) => set.spec?.template),
    wide('Selector', (set) => selectorText(set.spec?.selector)),
  ],
  setDefaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec);
  },
  prepareForCreate(set) {
    set.status = { replicas: 0 };
  },
  validate: ({ spec }) => validateWorkload(spec),
  validateUpdate: (set, old) => validateWorkloadUpdate(set.spec, old.spec),
};
