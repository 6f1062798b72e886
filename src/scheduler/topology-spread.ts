import type { ClusterState, NodeInfo, Tally } from './cluster-state.ts';
import { type Filter, final, resolvable } from './misfit.ts';
import { matchesNode, toleratesNode } from './node-rules.ts';
import type { PodInfo, SpreadConstraint } from './pod-info.ts';

const UNEVEN = resolvable("node(s) didn't match pod topology spread constraints");
const NO_LABEL = final("node(s) didn't match pod topology spread constraints (missing required label)");

/** `topologySpreadConstraints` that must hold (`DoNotSchedule`). */
export function spreadFilter(info: PodInfo, state: ClusterState): Filter | undefined {
  const constraints = info.spreadRequired;
  if (constraints.length === 0) return undefined;
  const keys = constraints.map(({ topologyKey }) => topologyKey);
  const parts = constraints.map((constraint) => {
    const domains = countEligible(info, { state, constraint, keys });
    const least = domains.size < constraint.minDomains ? 0 : Math.min(...domains.values());
    const self = state.isMeant(constraint.query, info) ? 1 : 0;
    return { key: constraint.topologyKey, domains, limit: constraint.maxSkew + least - self };
  });
  return ({ labels }) => {
    for (const { key, domains, limit } of parts) {
      const value = labels[key];
      if (value === undefined) return NO_LABEL;
      // A node that its taints or labels keep out of the count has no pods that count.
      if ((domains.get(value) ?? 0) > limit) return UNEVEN;
    }
    return undefined;
  };
}

interface Counting {
  readonly state: ClusterState;
  readonly constraint: SpreadConstraint;
  readonly keys: readonly string[];
}

/** Domain → pods of the constraint there; domains without any are there with 0. */
function countEligible(info: PodInfo, { state, constraint, keys }: Counting): Map<string, number> {
  const { counts } = state.tally(constraint.query, { withEnding: false });
  const domains = new Map<string, number>();
  for (const at of state.nodes()) {
    if (!keys.every((key) => at.labels[key] !== undefined)) continue;
    if (constraint.honorAffinity && !matchesNode(info.pod.spec!, at)) continue;
    if (constraint.honorTaints && !toleratesNode(info.pod.spec!, at)) continue;
    const value = at.labels[constraint.topologyKey]!;
    domains.set(value, (domains.get(value) ?? 0) + (counts.get(at) ?? 0));
  }
  return domains;
}

const HOSTNAME = 'kubernetes.io/hostname';
const ZONE = 'topology.kubernetes.io/zone';

/** Pods that should be apart, and how much more uneven they may be without harm. */
interface Preference {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly tally: Tally;
  /** Nodes without the label are not asked for it. */
  readonly optional: boolean;
}

/** Lower is better; undefined on nodes that the preferences say nothing of. */
export type SpreadScore = (at: NodeInfo) => number | undefined;

/**
 * `topologySpreadConstraints` that should hold (`ScheduleAnyway`). A pod without any is kept apart from the others of its
 * controller, else of its Services: by nodes first, by zones too.
 */
export function spreadScore(
  info: PodInfo,
  state: ClusterState,
  candidates: readonly NodeInfo[],
): SpreadScore | undefined {
  const parts = preferences(info, state).map(({ tally, ...preference }) => {
    const { topologyKey } = preference;
    const domains = new Map<string, number>();
    for (const { labels } of candidates) if (labels[topologyKey] !== undefined) domains.set(labels[topologyKey], 0);
    for (const [{ labels }, count] of tally.counts) {
      const value = labels[topologyKey];
      const sum = value === undefined ? undefined : domains.get(value);
      if (sum !== undefined) domains.set(value!, sum + count);
    }
    // A difference between many domains says more than one between few.
    return { ...preference, domains, weight: Math.log(domains.size + 2) };
  });
  const known = parts.filter(({ domains }) => domains.size > 0);
  if (known.length === 0) return undefined;
  return ({ labels }) => {
    let score = 0;
    for (const { topologyKey, domains, maxSkew, weight, optional } of known) {
      const count = domains.get(labels[topologyKey] ?? '');
      if (count === undefined && !optional) return undefined;
      if (count !== undefined) score += count * weight + maxSkew - 1;
    }
    return score;
  };
}

function preferences(info: PodInfo, state: ClusterState): Preference[] {
  const { spreadPreferred, spreadRequired, owner } = info;
  if (spreadPreferred.length > 0 || spreadRequired.length > 0) {
    return spreadPreferred.map(({ query, topologyKey, maxSkew }) => {
      return { topologyKey, maxSkew, tally: state.tally(query, { withEnding: false }), optional: false };
    });
  }
  const tally = owner === undefined ? state.tallyOfServices(info) : state.tallyOfOwner(owner);
  if (!tally) return [];
  return [
    { topologyKey: HOSTNAME, maxSkew: 3, tally, optional: true },
    { topologyKey: ZONE, maxSkew: 5, tally, optional: true },
  ];
}
