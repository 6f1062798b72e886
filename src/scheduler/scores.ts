import type { ClusterState, NodeInfo } from './cluster-state.ts';
import { matchesTerm, type NodeTerm, tolerates } from './node-rules.ts';
import { affinityScore } from './pod-affinity.ts';
import type { PodInfo } from './pod-info.ts';
import { spreadScore } from './topology-spread.ts';

/** Points of the candidates, in their order: more is better. Each part gives 0 to 100, times its weight (the known scheduler's). */
export function scoreNodes(info: PodInfo, state: ClusterState, candidates: readonly NodeInfo[]): Float64Array {
  const total = new Float64Array(candidates.length);
  const add = (weight: number, points: readonly number[]) => {
    for (let index = 0; index < points.length; index++) total[index]! += weight * points[index]!;
  };
  add(
    1,
    candidates.map((at) => resourceScore(info, at)),
  );
  if (candidates.some(({ node }) => node!.spec?.taints?.length)) {
    add(3, lessIsBetter(candidates.map((at) => intolerableTaints(info, at))));
  }
  const terms = info.pod.spec!.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution;
  if (terms?.length) add(2, moreIsBetter(candidates.map((at) => preferenceWeight(terms, at))));
  const spread = spreadScore(info, state, candidates);
  if (spread) add(2, evenness(candidates.map(spread)));
  const affinity = affinityScore(info, state);
  if (affinity) add(2, range(candidates.map(affinity)));
  return total;
}

/** Free share of cpu and memory, and how alike the two shares are. */
function resourceScore({ nominal }: PodInfo, at: NodeInfo): number {
  const share = (name: 'cpu' | 'memory') => {
    const allocatable = at.allocatable.get(name) ?? 0;
    return allocatable === 0 ? 1 : Math.min(1, (at.nominal[name] + nominal[name]) / allocatable);
  };
  const [cpu, memory] = [share('cpu'), share('memory')];
  return 100 * (1 - (cpu + memory) / 2) + 100 * (1 - Math.abs(cpu - memory) / 2);
}

function intolerableTaints({ pod }: PodInfo, { node }: NodeInfo): number {
  const taints = node!.spec?.taints ?? [];
  return taints.filter((taint) => taint.effect === 'PreferNoSchedule' && !tolerates(pod.spec!, taint)).length;
}

function preferenceWeight(terms: readonly { weight: number; preference: NodeTerm }[], at: NodeInfo): number {
  return terms.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, at) ? weight : 0), 0);
}

function moreIsBetter(raw: readonly number[]): number[] {
  const most = Math.max(...raw);
  return raw.map((value) => (most > 0 ? (100 * value) / most : 0));
}

function lessIsBetter(raw: readonly number[]): number[] {
  const most = Math.max(...raw);
  return raw.map((value) => (most > 0 ? 100 * (1 - value / most) : 100));
}

function range(raw: readonly number[]): number[] {
  const [least, most] = [Math.min(...raw), Math.max(...raw)];
  return raw.map((value) => (most > least ? (100 * (value - least)) / (most - least) : 0));
}

/** Nodes without the label that pods should be spread by get nothing. */
function evenness(raw: readonly (number | undefined)[]): number[] {
  const known = raw.filter((value) => value !== undefined);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  return raw.map((value) => {
    if (value === undefined) return 0;
    return most > 0 ? (100 * (most + least - value)) / most : 100;
  });
}
