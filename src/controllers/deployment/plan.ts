import type { Deployment, ReplicaSet } from '../../api/types.ts';
import { amount } from '../common.ts';
import { byAge, DESIRED_REPLICAS, MAX_REPLICAS, revisionOf } from './sets.ts';

export interface RolloutSets {
  /** Of the newest template. */
  readonly current: ReplicaSet | undefined;
  readonly others: readonly ReplicaSet[];
}

export interface Resize {
  readonly set: ReplicaSet;
  readonly replicas: number;
}

const sizeOf = (set: ReplicaSet | undefined) => set?.spec?.replicas ?? 0;
const availableOf = (set: ReplicaSet | undefined) => set?.status?.availableReplicas ?? 0;
const sum = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number) =>
  sets.reduce((total, set) => total + of(set), 0);

function allOf({ current, others }: RolloutSets): ReplicaSet[] {
  return [...(current ? [current] : []), ...others];
}

/** True when the Deployment's size is another than the one that its ReplicaSets were last scaled for. */
export function isScaling(deployment: Deployment, sets: RolloutSets): boolean {
  const desired = deployment.spec?.replicas ?? 1;
  const known = allOf(sets)
    .filter((set) => sizeOf(set) > 0)
    .map((set) => set.metadata.annotations?.[DESIRED_REPLICAS]);
  return known.some((text) => text !== undefined && Number(text) !== desired);
}

/** Sizes after the Deployment was scaled, or while it is paused: no pods move from one template to another. Pure. */
export function planScaling(deployment: Deployment, sets: RolloutSets): Resize[] {
  const desired = deployment.spec?.replicas ?? 1;
  const active = allOf(sets).filter((set) => sizeOf(set) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? sets.current ?? sets.others.toSorted((a, b) => revisionOf(b) - revisionOf(a))[0];
    return only ? [{ set: only, replicas: desired }] : [];
  }
  if (isSaturated(deployment, sets.current)) {
    return active.filter((set) => set !== sets.current).map((set) => ({ set, replicas: 0 }));
  }
  return deployment.spec?.strategy?.type === 'Recreate' ? [] : shareOut(deployment, active);
}

function isSaturated(deployment: Deployment, set: ReplicaSet | undefined): boolean {
  const desired = deployment.spec?.replicas ?? 1;
  if (!set) return false;
  const told = set.metadata.annotations?.[DESIRED_REPLICAS];
  return sizeOf(set) === desired && Number(told) === desired && availableOf(set) === desired;
}

/** Every active set grows or shrinks by its share; what rounding leaves goes to the largest. */
function shareOut(deployment: Deployment, active: readonly ReplicaSet[]): Resize[] {
  const desired = deployment.spec?.replicas ?? 1;
  const allowed = desired > 0 ? desired + rollingLimits(deployment).maxSurge : 0;
  const change = allowed - sum(active, sizeOf);
  const newestFirst = change > 0 ? -1 : 1;
  const ranked = active.toSorted((a, b) => sizeOf(b) - sizeOf(a) || newestFirst * byAge(a, b));
  let given = 0;
  const plan = ranked.map((set) => {
    const share = shareOf(deployment, set);
    const left = change - given;
    const step = change === 0 ? 0 : change > 0 ? Math.min(share, left) : Math.max(share, left);
    given += step;
    return { set, replicas: sizeOf(set) + step };
  });
  const [largest, ...rest] = plan;
  return [{ ...largest!, replicas: Math.max(0, largest!.replicas + change - given) }, ...rest];
}

/** By how much a set changes to keep its part of the whole. */
function shareOf(deployment: Deployment, set: ReplicaSet): number {
  const desired = deployment.spec?.replicas ?? 1;
  const size = sizeOf(set);
  if (desired === 0) return -size;
  const maxNow = desired + rollingLimits(deployment).maxSurge;
  const maxBefore = Number(set.metadata.annotations?.[MAX_REPLICAS]) || deployment.status?.replicas || size;
  return Math.round((size * maxNow) / maxBefore) - size;
}

/** What a rollout does now; called again whenever something has moved. */
export interface Step {
  /** A ReplicaSet of the newest template is to be made, of this size. */
  readonly create?: number;
  readonly resize: readonly Resize[];
}

/** One step towards the newest template. `runningOld`: pods of other templates that have not ended. Pure. */
export function planRollout(deployment: Deployment, sets: RolloutSets, runningOld: number): Step {
  const recreate = deployment.spec?.strategy?.type === 'Recreate';
  return recreate ? planRecreate(deployment, sets, runningOld) : planRolling(deployment, sets);
}

function planRecreate(deployment: Deployment, { current, others }: RolloutSets, runningOld: number): Step {
  const desired = deployment.spec?.replicas ?? 1;
  const down = others.filter((set) => sizeOf(set) > 0).map((set) => ({ set, replicas: 0 }));
  if (down.length > 0) return { resize: down };
  if (runningOld > 0) return { resize: [] };
  return current ? { resize: [{ set: current, replicas: desired }] } : { create: desired, resize: [] };
}

function planRolling(deployment: Deployment, { current, others }: RolloutSets): Step {
  const desired = deployment.spec?.replicas ?? 1;
  const grown = grownSize(deployment, { current, others });
  if (!current) return { create: grown, resize: [] };
  if (grown !== sizeOf(current)) return { resize: [{ set: current, replicas: grown }] };
  const old = others.filter((set) => sizeOf(set) > 0);
  const minAvailable = desired - rollingLimits(deployment).maxUnavailable;
  const total = sum([current, ...old], sizeOf);
  const newUnavailable = sizeOf(current) - availableOf(current);
  return { resize: shrink(old, { budget: total - minAvailable - newUnavailable, minAvailable, current }) };
}

/** How large the newest set may be now: all pods together stay within the surge. */
function grownSize(deployment: Deployment, sets: RolloutSets): number {
  const desired = deployment.spec?.replicas ?? 1;
  const size = sizeOf(sets.current);
  if (size >= desired) return desired;
  const room = desired + rollingLimits(deployment).maxSurge - sum(allOf(sets), sizeOf);
  return size + Math.max(0, Math.min(room, desired - size));
}

/** Takes pods away from the old sets: those that are not available first, then as many as availability allows. */
function shrink(
  old: readonly ReplicaSet[],
  { budget, minAvailable, current }: { budget: number; minAvailable: number; current: ReplicaSet },
): Resize[] {
  if (budget <= 0) return [];
  const sets = old.toSorted(byAge);
  const sizes = new Map(sets.map((set) => [set, sizeOf(set)]));
  const take = (limit: number, countOf: (set: ReplicaSet) => number) => {
    let left = limit;
    for (const set of sets) {
      const taken = Math.max(0, Math.min(left, countOf(set)));
      sizes.set(set, sizes.get(set)! - taken);
      left -= taken;
    }
  };
  take(budget, (set) => sizeOf(set) - availableOf(set));
  take(sum([current, ...sets], availableOf) - minAvailable, (set) => sizes.get(set)!);
  return [...sizes].map(([set, replicas]) => ({ set, replicas }));
}

/** `maxSurge` rounds up, `maxUnavailable` down; not both may be zero. */
export function rollingLimits({ spec }: Deployment): { maxSurge: number; maxUnavailable: number } {
  const desired = spec?.replicas ?? 1;
  if (spec?.strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 };
  const rolling = spec?.strategy?.rollingUpdate;
  const maxSurge = amount(rolling?.maxSurge ?? '25%', { of: desired, round: Math.ceil });
  const maxUnavailable = amount(rolling?.maxUnavailable ?? '25%', { of: desired, round: Math.floor });
  const least = maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable;
  return { maxSurge, maxUnavailable: Math.min(least, desired) };
}
