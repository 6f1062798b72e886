import { ageColumn, column, nameColumn, selectorText, wide } from '../columns.ts';
import { containersColumn, imagesColumn } from '../pod/columns.ts';
import { setPodSpecDefaults } from '../pod/defaults.ts';
import { validateDeploymentStrategy } from '../pod/strategy.ts';
import { validateWorkload, validateWorkloadUpdate } from '../pod/template.ts';
import type { Resource } from '../resource.ts';
import { formatLabelSelector } from '../selectors.ts';
import type { Deployment } from '../types.ts';

export const deployments: Resource<Deployment> = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  status: true,
  scale: { specReplicas: ['spec', 'replicas'], statusReplicas: ['status', 'replicas'], selector: ['spec', 'selector'] },
  generation: true,
  fieldSelectors: {},
  columns: [
    nameColumn,
    column('Ready', (d) => `${d.status?.readyReplicas ?? 0}/${d.spec?.replicas ?? 0}`),
    column('Up-to-date', (d) => d.status?.updatedReplicas ?? 0),
    column('Available', (d) => d.status?.availableReplicas ?? 0),
    ageColumn,
    containersColumn((d) => d.spec?.template),
    imagesColumn((d) => d.spec?.template),
    wide('Selector', (d) => (d.spec?.selector ? formatLabelSelector(d.spec.selector) : selectorText(undefined))),
  ],
  setDefaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    spec.strategy ??= {};
    spec.strategy.type ??= 'RollingUpdate';
    if (spec.strategy.type === 'RollingUpdate') {
      spec.strategy.rollingUpdate = { maxUnavailable: '25%', maxSurge: '25%', ...spec.strategy.rollingUpdate };
    }
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec);
  },
  prepareForCreate(deployment) {
    deployment.status = {};
  },
  validate: ({ spec }) => [...validateWorkload(spec, 'deployment'), ...validateDeploymentStrategy(spec)],
  validateUpdate: (deployment, old) => validateWorkloadUpdate(deployment.spec, old.spec),
};
