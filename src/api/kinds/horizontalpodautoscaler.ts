import { ageColumn, column, nameColumn } from '../columns.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { HorizontalPodAutoscaler } from '../types.ts';

export const horizontalPodAutoscalers: Resource<HorizontalPodAutoscaler> = {
  ...namespacedKind,
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  status: true,
  columns: [
    nameColumn,
    column('Reference', ({ spec }) => `${spec?.scaleTargetRef.kind}/${spec?.scaleTargetRef.name}`),
    column('Targets', targetsText),
    column('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
    column('MaxPods', ({ spec }) => spec?.maxReplicas ?? 0),
    column('Replicas', ({ status }) => status?.currentReplicas ?? 0),
    ageColumn,
  ],
  setDefaults({ spec }) {
    if (!spec) return;
    spec.minReplicas ??= 1;
    spec.metrics ??= [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
    ];
  },
  prepareForCreate(autoscaler) {
    autoscaler.status = { currentMetrics: null as never, desiredReplicas: 0 };
  },
};

type MetricSpec = NonNullable<NonNullable<HorizontalPodAutoscaler['spec']>['metrics']>[number];
type MetricStatus = NonNullable<NonNullable<HorizontalPodAutoscaler['status']>['currentMetrics']>[number];
type Value = { value?: number | string; averageValue?: number | string; averageUtilization?: number };

const SHOWN_TARGETS = 2;

function targetsText({ spec, status }: HorizontalPodAutoscaler): string {
  const texts = (spec?.metrics ?? []).map((metric, index) => metricText(metric, status?.currentMetrics?.[index]));
  if (texts.length === 0) return '<none>';
  const more = texts.length - SHOWN_TARGETS;
  return texts.slice(0, SHOWN_TARGETS).join(', ') + (more > 0 ? ` + ${more} more...` : '');
}

function metricText(metric: MetricSpec, status: MetricStatus | undefined): string {
  switch (metric.type) {
    case 'External':
      return valueText(metric.external?.target, status?.external?.current);
    case 'Object':
      return valueText(metric.object?.target, status?.object?.current);
    case 'Pods':
      return `${status?.pods?.current.averageValue ?? '<unknown>'}/${metric.pods?.target.averageValue}`;
    case 'Resource':
      return utilizationText(metric.resource, status?.resource?.current);
    case 'ContainerResource':
      return utilizationText(metric.containerResource, status?.containerResource?.current);
    default:
      return '<unknown type>';
  }
}

function valueText(target: Value | undefined, current: Value | undefined): string {
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? '<unknown>'}/${target.averageValue} (avg)`;
  return `${current?.value ?? '<unknown>'}/${target?.value}`;
}

function utilizationText(metric: { name: string; target: Value } | undefined, current: Value | undefined): string {
  const prefix = `${metric?.name}: `;
  if (metric?.target.averageValue !== undefined) {
    return `${prefix}${current?.averageValue ?? '<unknown>'}/${metric.target.averageValue}`;
  }
  const now = current?.averageUtilization === undefined ? '<unknown>' : `${current.averageUtilization}%`;
  const target = metric?.target.averageUtilization === undefined ? '<auto>' : `${metric.target.averageUtilization}%`;
  return `${prefix}${now}/${target}`;
}
