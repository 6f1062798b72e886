import type { DaemonSet, Node, Pod } from '../../api/types.ts';
import { amount, availableInMs, isPodFinished, isPodReady, omitZero } from '../common.ts';
import { REVISION_LABEL } from '../history.ts';
import { nodeOf, placement } from './pod.ts';

/** What a DaemonSet's pods need now. */
export interface Plan {
  /** Nodes that get a pod. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  /** Failed pods, to be replaced after a while. */
  readonly failed: readonly Pod[];
}

export interface Facts {
  readonly nodes: readonly Node[];
  /** All pods of the set. */
  readonly pods: readonly Pod[];
  /** Of the newest revision. */
  readonly hash: string;
  readonly now: number;
}

/** One node with a set's pods on it. */
interface Place {
  readonly node: string;
  readonly run: boolean;
  readonly stay: boolean;
  readonly pods: readonly Pod[];
}

/** The nodes that a set should be on or is on. */
function placesOf(set: DaemonSet, { nodes, pods }: Facts): Place[] {
  const byNode = Map.groupBy(pods, nodeOf);
  const places = nodes.map((node): Place => {
    const { name } = node.metadata;
    return { node: name, ...placement(set, node), pods: byNode.get(name) ?? [] };
  });
  return places.filter(({ run, pods: there }) => run || there.length > 0);
}

/** One pod on every node that should have one, of the newest revision as fast as the strategy allows. Pure. */
export function planDaemonSet(set: DaemonSet, facts: Facts): Plan {
  const places = placesOf(set, facts);
  const kept = places.map((place) => keep(set, place, facts));
  const strategy = set.spec?.updateStrategy;
  const update = strategy?.type === 'OnDelete' ? { create: [], remove: [] } : updatePlan(set, places, facts);
  const gone = new Set(kept.flatMap(({ remove }) => remove));
  const isNamed = new Set(facts.nodes.map(({ metadata }) => metadata.name));
  const lost = facts.pods.filter((pod) => !isNamed.has(nodeOf(pod) ?? '') && !isEnding(pod) && !pod.spec?.nodeName);
  return {
    create: [...new Set([...kept.flatMap(({ create }) => create), ...update.create])],
    remove: [...gone, ...update.remove.filter((pod) => !gone.has(pod)), ...lost],
    failed: kept.flatMap(({ failed }) => failed),
  };
}

/** What a node needs apart from updates: a pod where none is, and no more than it should have. */
function keep(set: DaemonSet, place: Place, { hash, now }: Facts): Plan {
  const present = place.pods.filter((pod) => !isEnding(pod));
  if (!place.stay) return { create: [], remove: present, failed: [] };
  const failed = present.filter(isPodFinished);
  const running = present.filter((pod) => !isPodFinished(pod));
  if (!place.run) return { create: [], remove: [], failed };
  if (place.pods.length === 0) return { create: [place.node], remove: [], failed };
  const surge = surgeOf(set, 1) > 0;
  const groups = surge ? [running.filter(isOf(hash)), running.filter((pod) => !isOf(hash)(pod))] : [running];
  const surplus = groups.flatMap((group) => group.toSorted(byAge).slice(1));
  const ready = surge && groups[0]!.some((pod) => isAvailable(set, pod, now));
  return { create: [], remove: [...surplus, ...(ready ? groups[1]! : [])].filter(unique), failed };
}

const unique = <T>(value: T, index: number, all: readonly T[]) => all.indexOf(value) === index;

type Update = Pick<Plan, 'create' | 'remove'>;

function updatePlan(set: DaemonSet, places: readonly Place[], facts: Facts): Update {
  const wanted = places.filter(({ run }) => run);
  const desired = wanted.length;
  const surge = surgeOf(set, desired);
  return surge > 0 ? surgeUpdate(set, { wanted, surge }, facts) : replaceUpdate(set, wanted, facts);
}

/** Old pods go so that new ones are made in their place: those that are not available first. */
function replaceUpdate(set: DaemonSet, wanted: readonly Place[], { hash, now }: Facts): Update {
  const unavailable: Pod[] = [];
  const candidates: Pod[] = [];
  let missing = 0;
  for (const { pods } of wanted) {
    const [newest, old] = [pods.find(isOf(hash)), pods.find((pod) => !isOf(hash)(pod))];
    if (newest || !old) {
      if (!newest || !isAvailable(set, newest, now)) missing++;
    } else if (isAvailable(set, old, now) && !isEnding(old)) candidates.push(old);
    else {
      missing++;
      if (!isEnding(old)) unavailable.push(old);
    }
  }
  const room = Math.max(0, unavailableOf(set, wanted.length) - missing);
  return { create: [], remove: [...unavailable, ...candidates.slice(0, room)] };
}

/** New pods are made beside old ones, which go when those are available. */
function surgeUpdate(
  set: DaemonSet,
  { wanted, surge }: { wanted: readonly Place[]; surge: number },
  { hash, now }: Facts,
): Update {
  const atOnce: string[] = [];
  const candidates: string[] = [];
  let surging = 0;
  for (const { node, pods } of wanted) {
    const [newest, old] = [pods.find(isOf(hash)), pods.find((pod) => !isOf(hash)(pod))];
    if (newest && old && !isAvailable(set, newest, now)) surging++;
    if (newest || !old) continue;
    (isAvailable(set, old, now) && !isEnding(old) ? candidates : atOnce).push(node);
  }
  return { create: [...atOnce, ...candidates.slice(0, Math.max(0, surge - surging))], remove: [] };
}

function surgeOf({ spec }: DaemonSet, desired: number): number {
  if (spec?.updateStrategy?.type === 'OnDelete') return 0;
  return amount(spec?.updateStrategy?.rollingUpdate?.maxSurge ?? 0, { of: desired, round: Math.ceil });
}

/** At least one, unless there is a surge. */
function unavailableOf({ spec }: DaemonSet, desired: number): number {
  const value = spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  return Math.max(1, amount(value, { of: desired, round: Math.ceil }));
}

function isOf(hash: string): (pod: Pod) => boolean {
  return ({ metadata }) => metadata.labels?.[REVISION_LABEL] === hash;
}

function isEnding({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function isAvailable(set: DaemonSet, pod: Pod, now: number): boolean {
  return availableInMs(pod, set.spec?.minReadySeconds, now) <= 0;
}

function byAge(a: Pod, b: Pod): number {
  // A pod that has its node is kept before one that waits.
  const bound = Number(Boolean(b.spec?.nodeName)) - Number(Boolean(a.spec?.nodeName));
  return bound || Date.parse(a.metadata.creationTimestamp ?? '') - Date.parse(b.metadata.creationTimestamp ?? '');
}

type Status = NonNullable<DaemonSet['status']>;

/** The status of a DaemonSet from the nodes and its pods. Pure. */
export function daemonSetStatus(set: DaemonSet, facts: Facts & { collisionCount: number }): Status {
  const places = placesOf(set, facts);
  const wanted = places.filter(({ run }) => run);
  const count = (test: (pod: Pod) => boolean) => wanted.filter(({ pods }) => pods.some(test)).length;
  const desired = wanted.length;
  const available = count((pod) => isAvailable(set, pod, facts.now));
  return {
    currentNumberScheduled: count(() => true),
    numberMisscheduled: places.filter(({ run }) => !run).length,
    desiredNumberScheduled: desired,
    numberReady: count(isPodReady),
    observedGeneration: set.metadata.generation,
    ...omitZero({
      updatedNumberScheduled: count(isOf(facts.hash)),
      numberAvailable: available,
      numberUnavailable: desired - available,
      collisionCount: facts.collisionCount,
    }),
  };
}
