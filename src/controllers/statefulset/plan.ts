import type { Pod, StatefulSet } from '../../api/types.ts';
import { amount, availableInMs, isPodFinished, isPodReady } from '../common.ts';
import { REVISION_LABEL } from '../history.ts';

/** What a StatefulSet's pods need now. */
export interface Plan {
  /** Ordinals of pods to be made. */
  readonly create: readonly number[];
  readonly remove: readonly Pod[];
}

export interface Facts {
  /** All pods of the set. */
  readonly pods: readonly Pod[];
  /** Name of the newest revision. */
  readonly updateRevision: string;
  readonly now: number;
}

const NOTHING: Plan = { create: [], remove: [] };

/** `web-3` of set `web` → 3; undefined for another's name. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`;
  const rest = pod.metadata.name.startsWith(prefix) ? pod.metadata.name.slice(prefix.length) : '';
  return /^(0|[1-9]\d*)$/.test(rest) ? Number(rest) : undefined;
}

/** Ordinals that a set should have: from `first` up to, but not including, `end`. */
export function ordinals({ spec }: StatefulSet): { first: number; end: number } {
  const first = spec?.ordinals?.start ?? 0;
  return { first, end: first + (spec?.replicas ?? 1) };
}

/** Ordinals below it keep the current revision. */
export function partitionOf({ spec }: StatefulSet): number {
  const { type, rollingUpdate } = spec?.updateStrategy ?? {};
  return (spec?.ordinals?.start ?? 0) + (type === 'OnDelete' ? 0 : (rollingUpdate?.partition ?? 0));
}

/** One step. OrderedReady: at most one pod is made or removed, and only while all before it are available. Pure. */
export function planStatefulSet(set: StatefulSet, facts: Facts): Plan {
  const { first, end } = ordinals(set);
  const byOrdinal = new Map(facts.pods.map((pod) => [ordinalOf(set, pod), pod]));
  const wanted = Array.from({ length: end - first }, (_, index) => first + index);
  const condemned = facts.pods
    .filter((pod) => !isWanted(set, pod))
    .sort((a, b) => ordinalOf(set, b)! - ordinalOf(set, a)!);
  const seats = wanted.map((ordinal) => ({ ordinal, pod: byOrdinal.get(ordinal) }));
  const inOrder = set.spec?.podManagementPolicy !== 'Parallel';
  const plan = inOrder ? ordered(set, { ...facts, seats, condemned }) : parallel({ seats, condemned });
  if (plan === undefined) return rollingUpdate(set, facts, seats);
  if (inOrder) return plan;
  return { create: plan.create, remove: [...plan.remove, ...rollingUpdate(set, facts, seats).remove] };
}

export function isWanted(set: StatefulSet, pod: Pod): boolean {
  const ordinal = ordinalOf(set, pod);
  const { first, end } = ordinals(set);
  return ordinal !== undefined && ordinal >= first && ordinal < end;
}

interface Seat {
  readonly ordinal: number;
  readonly pod: Pod | undefined;
}

interface Seats {
  readonly seats: readonly Seat[];
  /** Highest ordinal first. */
  readonly condemned: readonly Pod[];
}

/** Undefined: every pod is in its place and available. */
function ordered(set: StatefulSet, { seats, condemned, now }: Seats & Facts): Plan | undefined {
  for (const { ordinal, pod } of seats) {
    if (!pod) return { create: [ordinal], remove: [] };
    if (isTerminating(pod)) return NOTHING;
    if (isPodFinished(pod)) return { create: [], remove: [pod] };
    if (!isAvailable(set, pod, now)) return NOTHING;
  }
  const lowestUnhealthy = condemned.findLast((pod) => !isPodReady(pod) || isTerminating(pod));
  for (const pod of condemned) {
    if (isTerminating(pod)) return NOTHING;
    if (!isPodReady(pod) && pod !== lowestUnhealthy) return NOTHING;
    return { create: [], remove: [pod] };
  }
  return undefined;
}

function parallel({ seats, condemned }: Seats): Plan {
  const finished = seats
    .map(({ pod }) => pod)
    .filter((pod) => pod && isPodFinished(pod) && !isTerminating(pod)) as Pod[];
  return {
    create: seats.filter(({ pod }) => !pod).map(({ ordinal }) => ordinal),
    remove: [...finished, ...condemned.filter((pod) => !isTerminating(pod))],
  };
}

/** Removes pods of another revision, from the highest ordinal down to the partition; they are made anew from the newest. */
function rollingUpdate(set: StatefulSet, { updateRevision, now }: Facts, seats: readonly Seat[]): Plan {
  const { type, rollingUpdate: rolling } = set.spec?.updateStrategy ?? {};
  if (type === 'OnDelete') return NOTHING;
  const limit = rolling?.maxUnavailable === undefined ? 1 : allowed(set, rolling.maxUnavailable);
  const above = seats.filter(({ ordinal }) => ordinal >= partitionOf(set)).toReversed();
  const isMissing = ({ pod }: Seat) => !pod || isTerminating(pod) || !isAvailable(set, pod, now);
  let room = limit - (limit === 1 ? 0 : seats.filter(isMissing).length);
  const remove: Pod[] = [];
  for (const seat of above) {
    if (room <= 0) break;
    const { pod } = seat;
    const isOld = pod && !isTerminating(pod) && pod.metadata.labels?.[REVISION_LABEL] !== updateRevision;
    if (isOld) {
      remove.push(pod);
      room--;
    } else if (limit === 1 && isMissing(seat)) {
      break;
    }
  }
  return { create: [], remove };
}

function allowed(set: StatefulSet, value: number | string): number {
  return Math.max(1, amount(value, { of: set.spec?.replicas ?? 1, round: Math.ceil }));
}

function isTerminating({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function isAvailable(set: StatefulSet, pod: Pod, now: number): boolean {
  return availableInMs(pod, set.spec?.minReadySeconds, now) <= 0;
}
