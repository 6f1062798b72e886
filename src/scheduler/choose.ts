import type { ClusterState, NodeInfo } from './cluster-state.ts';
import { createFilter } from './filters.ts';
import { availability, type Filter, final, type Misfit } from './misfit.ts';
import { namedNodes } from './node-rules.ts';
import type { PodInfo } from './pod-info.ts';
import { scoreNodes } from './scores.ts';

/** A node that room is being made on for a pod: the pod counts there for those that are not more important. */
export interface Nomination {
  readonly info: PodInfo;
  readonly node: string;
}

export interface ChooseInputs {
  readonly info: PodInfo;
  readonly state: ClusterState;
  readonly nominations: Iterable<Nomination>;
  /** What volumes have to say; a text when no node can be right. */
  readonly volumes?: Filter | string;
  /** In [0, 1): decides among equals, and where to begin looking. */
  readonly random: () => number;
}

export type Choice =
  | { readonly node: string }
  | { readonly message: string; readonly misfits: ReadonlyMap<NodeInfo, Misfit> };

/** The node for a pod, or why there is none. Changes nothing. */
export function chooseNode(inputs: ChooseInputs): Choice {
  const { info, state, random, volumes } = inputs;
  const nodes = state.nodes();
  if (typeof volumes === 'string')
    return { message: `0/${nodes.length} nodes are available: ${volumes}.`, misfits: new Map() };
  const { feasible, misfits } = filterNodes(inputs, nodes);
  if (feasible.length === 0) return { message: availability(nodes.length, misfits.values()), misfits };
  if (feasible.length === 1) return { node: feasible[0]!.name };
  const points = scoreNodes(info, state, feasible);
  const best = points.reduce((most, value) => Math.max(most, value));
  const equals = feasible.filter((_, index) => points[index]! >= best - EQUAL);
  return { node: equals[Math.floor(random() * equals.length)]!.name };
}

/** Points that differ by rounding alone. */
const EQUAL = 1e-6;

const OTHER_NODE = final("node(s) didn't match Pod's node affinity/selector");
const NOT_NAMED = final("node(s) didn't satisfy plugin(s) [NodeAffinity]");

function filterNodes(inputs: ChooseInputs, nodes: readonly NodeInfo[]) {
  const { info, state, random } = inputs;
  const misfits = new Map<NodeInfo, Misfit>();
  const feasible: NodeInfo[] = [];
  const filter = withNominations(inputs);
  const named = namedNodes(info.pod.spec!);
  const among = named ? named.map((name) => state.node(name)).filter((at) => at?.node !== undefined) : nodes;
  const enough = sampleSize(nodes.length);
  const start = Math.floor(random() * among.length);
  for (let step = 0; step < among.length && feasible.length < enough; step++) {
    const at = among[(start + step) % among.length]!;
    const misfit = filter(at);
    if (misfit) misfits.set(at, misfit);
    else feasible.push(at);
  }
  if (named && feasible.length === 0) {
    const other = misfits.size > 0 ? NOT_NAMED : OTHER_NODE;
    for (const at of nodes) if (!misfits.has(at)) misfits.set(at, other);
  }
  return { feasible, misfits };
}

/** Nodes that are compared: all of a small cluster, a fair number of a large one. */
function sampleSize(nodes: number): number {
  return nodes <= 100 ? nodes : Math.ceil(100 + nodes / 20);
}

/** A node must do with the pods that are nominated to it, and without them: they may never come. */
function withNominations({ info, state, nominations, volumes }: ChooseInputs): Filter {
  const filter = createFilter(info, state, volumes as Filter | undefined);
  const byNode = Map.groupBy(
    [...nominations].filter((one) => one.info.uid !== info.uid && one.info.priority >= info.priority),
    ({ node }) => node,
  );
  if (byNode.size === 0) return filter;
  return (at) => {
    const here = byNode.get(at.name);
    const misfit = filter(at);
    if (!here || misfit) return misfit;
    for (const nominated of here) state.addPod(nominated.info, at.name);
    try {
      return createFilter(info, state, volumes as Filter | undefined)(at);
    } finally {
      for (const nominated of here) state.removePod(nominated.info.uid);
    }
  };
}
