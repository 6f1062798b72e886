import type { Deployment, ReplicaSet } from '../api/types.ts';

export interface RolloutSets {
  /** Of the newest template. */
  readonly current: ReplicaSet;
  readonly others: readonly ReplicaSet[];
}

export interface Resize {
  readonly set: ReplicaSet;
  readonly replicas: number;
}

/** Which ReplicaSets change size now. Pure: called again whenever something has moved. */
export function planRollout(deployment: Deployment, sets: RolloutSets): Resize[] {
  const desired = deployment.spec?.replicas ?? 1;
  const plan =
    deployment.spec?.strategy?.type === 'Recreate' ? planRecreate(desired, sets) : planRolling(deployment, sets);
  return plan.filter(({ set, replicas }) => (set.spec?.replicas ?? 0) !== replicas);
}

function planRecreate(desired: number, { current, others }: RolloutSets): Resize[] {
  const down = others.map((set) => ({ set, replicas: 0 }));
  const ended = others.every((set) => (set.status?.replicas ?? 0) === 0 && set.spec?.replicas === 0);
  return ended ? [{ set: current, replicas: desired }] : down;
}

function planRolling(deployment: Deployment, { current, others }: RolloutSets): Resize[] {
  const desired = deployment.spec?.replicas ?? 1;
  const { maxSurge, maxUnavailable } = rollingLimits(deployment);
  const old = others.filter((set) => (set.spec?.replicas ?? 0) > 0);
  if (old.length === 0) return [{ set: current, replicas: desired }];
  const size = (set: ReplicaSet) => set.spec?.replicas ?? 0;
  const total = [current, ...old].reduce((sum, set) => sum + size(set), 0);
  const room = Math.max(0, desired + maxSurge - total);
  const up = { set: current, replicas: Math.min(desired, size(current) + room) };
  return [up, ...shrink(old, removable(deployment, { current, old, maxUnavailable }))];
}

/** How many old pods may go without falling below what must be available. */
function removable(
  deployment: Deployment,
  at: { current: ReplicaSet; old: readonly ReplicaSet[]; maxUnavailable: number },
): number {
  const desired = deployment.spec?.replicas ?? 1;
  const total = [at.current, ...at.old].reduce((sum, set) => sum + (set.spec?.replicas ?? 0), 0);
  const currentUnavailable = (at.current.spec?.replicas ?? 0) - (at.current.status?.availableReplicas ?? 0);
  return Math.max(0, total - (desired - at.maxUnavailable) - Math.max(0, currentUnavailable));
}

/** Takes pods away from the old sets: those that are not available first. */
function shrink(old: readonly ReplicaSet[], budget: number): Resize[] {
  let left = budget;
  const sizes = new Map(old.map((set) => [set, set.spec?.replicas ?? 0]));
  const take = (set: ReplicaSet, count: number) => {
    const taken = Math.min(count, left, sizes.get(set)!);
    sizes.set(set, sizes.get(set)! - taken);
    left -= taken;
  };
  for (const set of old) take(set, Math.max(0, sizes.get(set)! - (set.status?.availableReplicas ?? 0)));
  for (const set of old) take(set, sizes.get(set)!);
  return [...sizes].map(([set, replicas]) => ({ set, replicas }));
}

/** `maxSurge` rounds up, `maxUnavailable` down; not both may be zero. */
export function rollingLimits(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  const desired = deployment.spec?.replicas ?? 1;
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const maxSurge = amount(rolling?.maxSurge ?? '25%', { of: desired, round: Math.ceil });
  const maxUnavailable = amount(rolling?.maxUnavailable ?? '25%', { of: desired, round: Math.floor });
  return { maxSurge, maxUnavailable: maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable };
}

function amount(value: number | string, { of, round }: { of: number; round: (value: number) => number }): number {
  if (typeof value === 'number') return value;
  return value.endsWith('%') ? round((of * Number.parseInt(value, 10)) / 100) : Number(value);
}
