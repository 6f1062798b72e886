import type { IHorizontalPodAutoscaler as V1Autoscaler } from 'kubernetes-models/autoscaling/v1';
import { horizontalPodAutoscalers } from '../kinds/horizontalpodautoscaler.ts';
import { type Resource, row } from '../resource.ts';
import type { HorizontalPodAutoscaler, KubeObject, Stored } from '../types.ts';
import { defined, versionOf } from './version.ts';

type V1 = Stored<V1Autoscaler>;
type V2 = HorizontalPodAutoscaler;
type MetricSpec = NonNullable<NonNullable<V2['spec']>['metrics']>[number];

/** What `autoscaling/v1` has no field for travels in these annotations, as JSON of the newer version. */
const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';

/** `autoscaling/v1` HorizontalPodAutoscaler: one target, the utilization of the processor. */
export const v1Autoscalers: Resource = versionOf(row(horizontalPodAutoscalers), {
  group: 'autoscaling',
  version: 'v1',
  toStored: (object) => toV2(object as unknown as V1) as unknown as KubeObject,
  fromStored: (object) => toV1(object as unknown as V2) as unknown as KubeObject,
});

function toV2({ spec, status, metadata, ...autoscaler }: V1): object {
  const annotations = { ...metadata.annotations };
  const take = (name: string): unknown => {
    const text = annotations[name];
    delete annotations[name];
    return text === undefined ? undefined : parse(text);
  };
  const [metrics, behavior, conditions] = [take(METRICS), take(BEHAVIOR), take(CONDITIONS)];
  const { targetCPUUtilizationPercentage: target, ...rest } = spec ?? ({} as NonNullable<V1['spec']>);
  const all = [...(target === undefined ? [] : [cpuMetric(target)]), ...(Array.isArray(metrics) ? metrics : [])];
  return defined({
    ...autoscaler,
    apiVersion: 'autoscaling/v2',
    metadata: defined({ ...metadata, annotations: Object.keys(annotations).length > 0 ? annotations : undefined }),
    spec: spec && defined({ ...rest, metrics: all.length > 0 ? all : undefined, behavior }),
    status: status && statusToV2(status, conditions),
  });
}

function statusToV2(status: NonNullable<V1['status']>, conditions: unknown): object {
  const { currentCPUUtilizationPercentage: current, ...rest } = status;
  const metric = { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: current } } };
  return defined({ ...rest, conditions, currentMetrics: current === undefined ? null : [metric] });
}

function toV1({ spec, status, metadata, ...autoscaler }: V2): object {
  const { metrics = [], behavior, ...rest } = spec ?? ({} as NonNullable<V2['spec']>);
  const cpu = metrics.find(isCpuUtilization);
  const others = metrics.filter((metric) => metric !== cpu);
  const annotations = defined({
    ...metadata.annotations,
    [METRICS]: others.length > 0 ? JSON.stringify(others) : undefined,
    [BEHAVIOR]: behavior && JSON.stringify(behavior),
    [CONDITIONS]: status?.conditions?.length ? JSON.stringify(status.conditions) : undefined,
  });
  const targetCPUUtilizationPercentage = cpu?.resource?.target.averageUtilization;
  return defined({
    ...autoscaler,
    apiVersion: 'autoscaling/v1',
    metadata: defined({ ...metadata, annotations: Object.keys(annotations).length > 0 ? annotations : undefined }),
    spec: spec && defined({ ...rest, targetCPUUtilizationPercentage }),
    status: status && statusToV1(status),
  });
}

function statusToV1({ currentMetrics, conditions: _conditions, ...status }: NonNullable<V2['status']>): object {
  const cpu = currentMetrics?.find(({ type, resource }) => type === 'Resource' && resource?.name === 'cpu');
  return defined({ ...status, currentCPUUtilizationPercentage: cpu?.resource?.current.averageUtilization });
}

function cpuMetric(averageUtilization: number): MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

function isCpuUtilization({ type, resource }: MetricSpec): boolean {
  return type === 'Resource' && resource?.name === 'cpu' && resource.target.averageUtilization !== undefined;
}

/** An annotation that is no JSON says nothing. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
