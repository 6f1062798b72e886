import { ApiError, badRequest, notFound } from '../../api/errors.ts';
import { pods } from '../../api/kinds/pod.ts';
import { podDisruptionBudgets } from '../../api/kinds/poddisruptionbudget.ts';
import { row } from '../../api/resource.ts';
import { matchesLabels, selectorRequirements } from '../../api/selectors.ts';
import type { KubeObject, Pod, PodDisruptionBudget } from '../../api/types.ts';
import { timestamp } from '../../lib/clock.ts';
import type { AdmissionContext } from '../admission.ts';
import type { VerbContext } from '../context.ts';
import { keyOf, keyPrefix, objectOf } from '../objects.ts';
import { type DeleteOptions, deleteObject } from './delete.ts';
import { updateObject } from './write.ts';

/** `policy/v1 Eviction`. */
export interface Eviction {
  metadata?: { name?: string };
  deleteOptions?: DeleteOptions;
}

const CONDITION = {
  type: 'DisruptionTarget',
  status: 'True',
  reason: 'EvictionByEvictionAPI',
  message: 'Eviction API: evicting',
} as const;

/** Deletes a pod if the budget that it is under allows it. Throws TooManyRequests when it does not. */
export async function evictPod(
  context: VerbContext,
  at: { namespace: string; name: string },
  eviction: Eviction,
  by: AdmissionContext,
): Promise<void> {
  const { namespace, name } = at;
  const target = { resource: row(pods), namespace, name, subresource: '', rest: '' };
  if (eviction.metadata?.name && eviction.metadata.name !== at.name) {
    throw badRequest('name in URL does not match name in Eviction object');
  }
  const item = context.store.head(keyOf(pods, at));
  if (!item) throw notFound(pods, at.name);
  const pod = objectOf(item) as Pod;
  const budget = needsNoBudget(pod) ? undefined : budgetOf(context, pod);
  if (budget && !mayGoUnready(budget, pod)) {
    const place = { ...target, resource: row(podDisruptionBudgets), name: budget.metadata.name };
    const time = timestamp(context.clock.now());
    const spend = (current: KubeObject) => spent(current as PodDisruptionBudget, { pod: at.name, time });
    await updateObject(context, place, spend, { ...by, scope: 'internal' });
  }
  const mark = (current: KubeObject) => marked(current as Pod, timestamp(context.clock.now()));
  if (!needsNoBudget(pod)) await updateObject(context, target, mark, { ...by, scope: 'internal' });
  const dryRun = by.dryRun ? ['All'] : eviction.deleteOptions?.dryRun;
  await deleteObject(context, target, { ...eviction.deleteOptions, dryRun }, by);
}

/** Nothing is lost with it. */
function needsNoBudget({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined || ['Pending', 'Succeeded', 'Failed'].includes(status?.phase ?? '');
}

function budgetOf({ store }: VerbContext, { metadata }: Pod): PodDisruptionBudget | undefined {
  const { items } = store.list(keyPrefix(podDisruptionBudgets, metadata.namespace));
  const budgets = items.map((item) => objectOf(item) as PodDisruptionBudget);
  const found = budgets.filter(({ spec }) => {
    const selector = spec?.selector as Parameters<typeof selectorRequirements>[0] | undefined;
    return selector !== undefined && matchesLabels(selectorRequirements(selector), metadata.labels);
  });
  if (found.length <= 1) return found[0];
  const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
  throw new ApiError('InternalError', message);
}

/** A pod that is not ready counts for no budget; it may go when the rest is healthy, or always. */
function mayGoUnready({ spec, status }: PodDisruptionBudget, pod: Pod): boolean {
  const ready = pod.status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
  if (ready) return false;
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy;
}

/** The budget with one disruption less. Throws when there is none left. Pure. */
export function spent(budget: PodDisruptionBudget, { pod, time }: { pod: string; time: string }): PodDisruptionBudget {
  const { name, generation = 0 } = budget.metadata;
  const { status } = budget;
  if (!status || (status.observedGeneration ?? 0) < generation) {
    throw violation(`The disruption budget ${name} is still being processed by the server.`, 10);
  }
  const { disruptionsAllowed, desiredHealthy, currentHealthy } = status;
  if (disruptionsAllowed <= 0) {
    throw violation(
      `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    );
  }
  const disruptedPods = { ...status.disruptedPods, [pod]: time };
  const left = disruptionsAllowed - 1;
  return {
    ...budget,
    status: { ...status, disruptionsAllowed: left, disruptedPods, conditions: conditionsAt(status, left, time) },
  };
}

type Status = NonNullable<PodDisruptionBudget['status']>;

function conditionsAt(status: Status, left: number, time: string): Status['conditions'] {
  const { conditions } = status;
  if (left > 0) return conditions;
  return conditions?.map((condition) =>
    condition.type === 'DisruptionAllowed' && condition.status === 'True'
      ? { ...condition, status: 'False' as const, reason: 'InsufficientPods', lastTransitionTime: time }
      : condition,
  );
}

function violation(detail: string, retryAfterSeconds?: number): ApiError {
  const message = "Cannot evict pod as it would violate the pod's disruption budget.";
  const causes = [{ reason: 'DisruptionBudget', message: detail }];
  return new ApiError('TooManyRequests', message, { causes, ...(retryAfterSeconds ? { retryAfterSeconds } : {}) });
}

function marked(pod: Pod, lastTransitionTime: string): Pod {
  const conditions = (pod.status?.conditions ?? []).filter(({ type }) => type !== CONDITION.type);
  return { ...pod, status: { ...pod.status, conditions: [...conditions, { ...CONDITION, lastTransitionTime }] } };
}
