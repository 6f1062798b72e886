import { ageColumn, column, labelsText, nameColumn, wide } from '../columns.ts';
import { containersColumn, imagesColumn } from '../pod/columns.ts';
import { setPodSpecDefaults } from '../pod/defaults.ts';
import { validateWorkload, type WorkloadSpec } from '../pod/template.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { ReplicationController } from '../types.ts';

export const replicationControllers: Resource<ReplicationController> = {
  ...namespacedKind,
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  singular: 'replicationcontroller',
  shortNames: ['rc'],
  categories: ['all'],
  status: true,
  generation: true,
  scale: { specReplicas: ['spec', 'replicas'], statusReplicas: ['status', 'replicas'], selector: ['spec', 'selector'] },
  fieldSelectors: { 'status.replicas': (controller) => String(controller.status?.replicas ?? 0) },
  columns: [
    nameColumn,
    column('Desired', (controller) => controller.spec?.replicas ?? 0, 'integer'),
    column('Current', (controller) => controller.status?.replicas ?? 0, 'integer'),
    column('Ready', (controller) => controller.status?.readyReplicas ?? 0, 'integer'),
    ageColumn,
    containersColumn((controller) => controller.spec?.template),
    imagesColumn((controller) => controller.spec?.template),
    wide('Selector', (controller) => labelsText(controller.spec?.selector)),
  ],
  setDefaults(controller) {
    const labels = controller.spec?.template?.metadata?.labels;
    if (labels && controller.spec) {
      controller.spec.selector = isEmpty(controller.spec.selector) ? { ...labels } : controller.spec.selector;
      if (isEmpty(controller.metadata.labels)) controller.metadata.labels = { ...labels };
    }
    if (!controller.spec) return;
    controller.spec.replicas ??= 1;
    if (controller.spec.template?.spec) setPodSpecDefaults(controller.spec.template.spec);
  },
  prepareForCreate(controller) {
    controller.status = { replicas: 0 };
  },
  validate: ({ spec }) =>
    validateWorkload(spec && ({ ...spec, selector: { matchLabels: spec.selector } } as WorkloadSpec)),
};

function isEmpty(map: Record<string, string> | undefined): boolean {
  return !map || Object.keys(map).length === 0;
}
