import { ageColumn, column, labelsText, nameColumn, selectorText, wide } from '../columns.ts';
import { containersColumn, imagesColumn } from '../pod/columns.ts';
import { setPodSpecDefaults } from '../pod/defaults.ts';
import { validateDaemonSetStrategy } from '../pod/strategy.ts';
import { validateWorkload, validateWorkloadUpdate } from '../pod/template.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { DaemonSet } from '../types.ts';

export const daemonSets: Resource<DaemonSet> = {
  ...namespacedKind,
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  singular: 'daemonset',
  shortNames: ['ds'],
  categories: ['all'],
  status: true,
  generation: true,
  columns: [
    nameColumn,
    column('Desired', (set) => set.status?.desiredNumberScheduled ?? 0, 'integer'),
    column('Current', (set) => set.status?.currentNumberScheduled ?? 0, 'integer'),
    column('Ready', (set) => set.status?.numberReady ?? 0, 'integer'),
    column('Up-to-date', (set) => set.status?.updatedNumberScheduled ?? 0, 'integer'),
    column('Available', (set) => set.status?.numberAvailable ?? 0, 'integer'),
    column('Node Selector', (set) => labelsText(set.spec?.template.spec?.nodeSelector)),
    ageColumn,
    containersColumn((set) => set.spec?.template),
    imagesColumn((set) => set.spec?.template),
    wide('Selector', (set) => selectorText(set.spec?.selector)),
  ],
  setDefaults({ spec }) {
    if (!spec) return;
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ??= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate = { maxUnavailable: 1, maxSurge: 0, ...spec.updateStrategy.rollingUpdate };
    }
    spec.revisionHistoryLimit ??= 10;
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec);
  },
  prepareForCreate(set) {
    set.status = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
  },
  validate: ({ spec }) => [...validateWorkload(spec, 'daemonset'), ...validateDaemonSetStrategy(spec)],
  validateUpdate: (set, old) => validateWorkloadUpdate(set.spec, old.spec),
};
