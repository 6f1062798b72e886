import { type ClusterState, countByDomain, type NodeInfo, type TermKind } from './cluster-state.ts';
import { type Filter, final, resolvable } from './misfit.ts';
import type { PodInfo, Term } from './pod-info.ts';

const APART_FROM_KIND = final("node(s) didn't match pod affinity rules");
const TOO_CLOSE = resolvable("node(s) didn't match pod anti-affinity rules");
const NOT_WANTED = resolvable("node(s) didn't satisfy existing pods anti-affinity rules");

type Domains = ReadonlyMap<string, number>;

/** A pod's required affinity and anti-affinity to other pods, and the anti-affinity of others to it. */
export function affinityFilter(info: PodInfo, state: ClusterState): Filter | undefined {
  const wanted = affinityDomains(info, state);
  const avoided = info.antiAffinity.map((term) => ({
    key: term.topologyKey,
    domains: countByDomain(state.tally(term.query, { withEnding: true }), term.topologyKey),
  }));
  const forbidden = [...state.terms('antiAffinity')]
    .filter(({ term }) => state.isMeant(term.query, info))
    .map((tally) => ({ key: tally.term.topologyKey, domains: countByDomain(tally, tally.term.topologyKey) }));
  if (!wanted && avoided.length === 0 && forbidden.length === 0) return undefined;
  return ({ labels }) => {
    if (wanted && !wanted(labels)) return APART_FROM_KIND;
    if (avoided.some(({ key, domains }) => isIn(domains, labels[key]))) return TOO_CLOSE;
    if (forbidden.some(({ key, domains }) => isIn(domains, labels[key]))) return NOT_WANTED;
    return undefined;
  };
}

function isIn(domains: Domains, value: string | undefined): boolean {
  return value !== undefined && (domains.get(value) ?? 0) > 0;
}

type LabelCheck = (labels: NodeInfo['labels']) => boolean;

/** The pods that count are those that all terms mean. The first of a kind that wants to be with its own may be anywhere. */
function affinityDomains(info: PodInfo, state: ClusterState): LabelCheck | undefined {
  const { affinity } = info;
  if (affinity.length === 0) return undefined;
  const tally = state.tallyOfAll(affinity.map(({ query }) => query));
  const terms = affinity.map(({ topologyKey }) => ({ key: topologyKey, domains: countByDomain(tally, topologyKey) }));
  const nowhere = terms.every(({ domains }) => domains.size === 0);
  if (nowhere && affinity.every(({ query }) => state.isMeant(query, info))) {
    return (labels) => terms.every(({ key }) => labels[key] !== undefined);
  }
  return (labels) => terms.every(({ key, domains }) => isIn(domains, labels[key]));
}

/** Weight of a node by preferences of the pod for others, and of others for it. Undefined when nobody has any. */
export function affinityScore(info: PodInfo, state: ClusterState): ((at: NodeInfo) => number) | undefined {
  const weights = new Map<string, Map<string, number>>();
  const add = (key: string, domains: Domains, weight: number) => {
    const byValue = weights.get(key) ?? new Map<string, number>();
    weights.set(key, byValue);
    for (const [value, count] of domains) byValue.set(value, (byValue.get(value) ?? 0) + count * weight);
  };
  const addOwn = (terms: readonly Term[], sign: 1 | -1) => {
    for (const { query, topologyKey, weight } of terms) {
      const tally = state.tally(query, { withEnding: true });
      add(topologyKey, countByDomain(tally, topologyKey), sign * weight);
    }
  };
  addOwn(info.preferredAffinity, 1);
  addOwn(info.preferredAntiAffinity, -1);
  for (const [kind, factor] of Object.entries(OTHERS) as [TermKind, number][]) {
    for (const tally of state.terms(kind)) {
      const { term } = tally;
      if (!state.isMeant(term.query, info)) continue;
      add(term.topologyKey, countByDomain(tally, term.topologyKey), factor * (term.weight || HARD_WEIGHT));
    }
  }
  if (weights.size === 0) return undefined;
  const all = [...weights];
  return ({ labels }) => all.reduce((sum, [key, byValue]) => sum + (byValue.get(labels[key] ?? '') ?? 0), 0);
}

/** What the terms of other pods count: a required affinity is a mild preference of its own. */
const OTHERS: Partial<Record<TermKind, number>> = { affinity: 1, preferredAffinity: 1, preferredAntiAffinity: -1 };
const HARD_WEIGHT = 1;
