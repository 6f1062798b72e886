import type { Pod, PodDisruptionBudget } from '../../api/types.ts';
import { timestamp } from '../../lib/clock.ts';
import { amount, isPodReady } from '../common.ts';

type Status = NonNullable<PodDisruptionBudget['status']>;

export interface Facts {
  /** The pods that the budget selects. */
  readonly pods: readonly Pod[];
  /** How many their controllers want. Throws what makes that unknown. */
  readonly expectedScale: () => number;
  readonly now: number;
}

/** An evicted pod that is still there after this time was not deleted after all. */
export const EVICTION_MS = 120_000;

/** The status of a budget: what can't be computed allows nothing. Pure. */
export function budgetStatus(budget: PodDisruptionBudget, facts: Facts): Status {
  const { pods, now } = facts;
  const disruptedPods = stillDisrupted(budget, facts);
  const healthy = pods.filter(
    (pod) => !pod.metadata.deletionTimestamp && isPodReady(pod) && disruptedPods[pod.metadata.name] === undefined,
  );
  const base = {
    observedGeneration: budget.metadata.generation,
    ...(Object.keys(disruptedPods).length > 0 ? { disruptedPods } : {}),
  };
  try {
    const { expected, desired } = wanted(budget, facts);
    const disruptionsAllowed = expected > 0 ? Math.max(0, healthy.length - desired) : 0;
    const counts = {
      disruptionsAllowed,
      currentHealthy: healthy.length,
      desiredHealthy: desired,
      expectedPods: expected,
    };
    const reason = disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods';
    return { ...base, ...counts, conditions: conditions(budget, { allowed: disruptionsAllowed > 0, reason, now }) };
  } catch (error) {
    const { currentHealthy = 0, desiredHealthy = 0, expectedPods = 0 } = budget.status ?? {};
    const message = (error as Error).message;
    const failed = conditions(budget, { allowed: false, reason: 'SyncFailed', message, now });
    return {
      ...budget.status,
      disruptionsAllowed: 0,
      currentHealthy,
      desiredHealthy,
      expectedPods,
      conditions: failed,
    };
  }
}

function wanted({ spec }: PodDisruptionBudget, { pods, expectedScale }: Facts): { expected: number; desired: number } {
  const { minAvailable, maxUnavailable } = spec ?? {};
  if (maxUnavailable !== undefined) {
    const expected = expectedScale();
    const unavailable = amount(maxUnavailable, { of: expected, round: Math.ceil });
    return { expected, desired: Math.max(0, expected - unavailable) };
  }
  if (minAvailable === undefined) return { expected: pods.length, desired: 1 };
  if (typeof minAvailable === 'number') return { expected: pods.length, desired: minAvailable };
  const expected = expectedScale();
  return { expected, desired: amount(minAvailable, { of: expected, round: Math.ceil }) };
}

/** Pods that were let go and have not gone yet. */
function stillDisrupted({ status }: PodDisruptionBudget, { pods, now }: Facts): Record<string, string> {
  const staying = new Set(
    pods.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name),
  );
  const entries = Object.entries((status?.disruptedPods ?? {}) as Record<string, string>);
  return Object.fromEntries(
    entries.filter(([name, time]) => staying.has(name) && Date.parse(time) + EVICTION_MS > now),
  );
}

function conditions(
  budget: PodDisruptionBudget,
  { allowed, reason, message = '', now }: { allowed: boolean; reason: string; message?: string; now: number },
): NonNullable<Status['conditions']> {
  const old = budget.status?.conditions?.find(({ type }) => type === 'DisruptionAllowed');
  const status = allowed ? 'True' : 'False';
  const lastTransitionTime = old?.status === status ? old.lastTransitionTime : timestamp(now);
  const observedGeneration = budget.metadata.generation;
  return [{ type: 'DisruptionAllowed', status, observedGeneration, lastTransitionTime, reason, message }];
}
