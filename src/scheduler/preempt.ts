import type { ClusterState, NodeInfo } from './cluster-state.ts';
import { createFilter } from './filters.ts';
import { availability, type Filter, final, type Misfit } from './misfit.ts';
import type { PodInfo } from './pod-info.ts';

/** Pods that must not all go at once: what is left of a PodDisruptionBudget. */
export interface Budget {
  readonly allowed: number;
  readonly covers: (info: PodInfo) => boolean;
}

export interface PreemptInputs {
  readonly info: PodInfo;
  readonly state: ClusterState;
  /** Why each node was no choice. */
  readonly misfits: ReadonlyMap<NodeInfo, Misfit>;
  readonly budgets: readonly Budget[];
  readonly volumes?: Filter;
}

export type Preemption =
  | { readonly node: string; readonly victims: readonly PodInfo[] }
  /** Why ending other pods does not help. */
  | { readonly message: string };

interface Candidate {
  readonly at: NodeInfo;
  readonly victims: readonly PodInfo[];
  /** Victims whose budget allows no more. */
  readonly violations: number;
}

const NOT_HELPFUL = final('Preemption is not helpful for scheduling');
const NO_VICTIMS = final('No preemption victims found for incoming pod');
const CANDIDATES_MAX = 100;

/** Which less important pods would have to go for a pod, and from which node. The state is as before afterwards. */
export function findPreemption(inputs: PreemptInputs): Preemption {
  const { info, state, misfits } = inputs;
  const total = state.nodes().length;
  if (info.pod.spec!.preemptionPolicy === 'Never') return { message: 'not eligible due to preemptionPolicy=Never.' };
  if (endsAlready(info, state)) {
    return { message: 'not eligible due to a terminating pod on the nominated node.' };
  }
  const candidates: Candidate[] = [];
  const reasons: Misfit[] = [];
  for (const [at, misfit] of misfits) {
    const found = misfit.resolvable ? findVictims(inputs, at) : NOT_HELPFUL;
    if ('victims' in found) candidates.push(found);
    else reasons.push(found);
    if (candidates.length === CANDIDATES_MAX) break;
  }
  if (candidates.length === 0) {
    const rest = Array.from({ length: total - reasons.length }, () => NOT_HELPFUL);
    return { message: availability(total, [...reasons, ...rest]) };
  }
  const { at, victims } = candidates.reduce((best, one) => (compare(one, best) < 0 ? one : best));
  return { node: at.name, victims };
}

/** Room is being made already: more victims would be too many. */
function endsAlready(info: PodInfo, state: ClusterState): boolean {
  const nominated = state.node(info.pod.status?.nominatedNodeName ?? '');
  return [...(nominated?.pods.values() ?? [])].some((other) => other.ending && other.priority < info.priority);
}

/** All less important pods of a node are taken away, then as many as possible are let stay: the most important first. */
function findVictims(inputs: PreemptInputs, at: NodeInfo): Candidate | Misfit {
  const { info, state, volumes } = inputs;
  const lesser = [...at.pods.values()].filter((other) => other.priority < info.priority);
  if (lesser.length === 0) return NO_VICTIMS;
  const fits = () => createFilter(info, state, volumes)(at);
  for (const other of lesser) state.removePod(other.uid);
  try {
    const misfit = fits();
    if (misfit) return misfit;
    const { violating, others } = splitByBudgets(lesser.toSorted(byImportance), inputs.budgets);
    const victims: PodInfo[] = [];
    for (const other of [...violating, ...others]) {
      state.addPod(other, at.name);
      if (!fits()) continue;
      state.removePod(other.uid);
      victims.push(other);
    }
    return { at, victims, violations: victims.filter((victim) => violating.includes(victim)).length };
  } finally {
    for (const other of lesser) state.addPod(other, at.name);
  }
}

/** Most important first; among equals the one that has run for longer. */
function byImportance(a: PodInfo, b: PodInfo): number {
  return b.priority - a.priority || startOf(a).localeCompare(startOf(b));
}

function startOf({ pod }: PodInfo): string {
  return pod.status?.startTime ?? '9';
}

function splitByBudgets(infos: readonly PodInfo[], budgets: readonly Budget[]) {
  const left = budgets.map(({ allowed }) => allowed);
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const info of infos) {
    const covering = budgets.flatMap(({ covers }, index) => (covers(info) ? [index] : []));
    for (const index of covering) left[index]!--;
    (covering.some((index) => left[index]! < 0) ? violating : others).push(info);
  }
  return { violating, others };
}

/** Less harm first: budgets, the most important victim, all of them, their number, how long the most important has run. */
function compare(a: Candidate, b: Candidate): number {
  const highest = ({ victims }: Candidate) => Math.max(...victims.map(({ priority }) => priority));
  const sum = ({ victims }: Candidate) => victims.reduce((all, { priority }) => all + priority + 2 ** 31, 0);
  const earliest = (one: Candidate) =>
    one.victims
      .filter(({ priority }) => priority === highest(one))
      .map(startOf)
      .sort()[0]!;
  return (
    a.violations - b.violations ||
    highest(a) - highest(b) ||
    sum(a) - sum(b) ||
    a.victims.length - b.victims.length ||
    earliest(b).localeCompare(earliest(a))
  );
}
