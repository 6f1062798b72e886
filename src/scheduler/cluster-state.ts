import { selectsByMap } from '../api/selectors.ts';
import type { Node } from '../api/types.ts';
import {
  type HostPort,
  isMeant,
  type NamespaceLabels,
  type PodInfo,
  type PodQuery,
  type Term,
  toQuery,
} from './pod-info.ts';
import { addAll, toAmounts } from './requests.ts';

/** A node with what its pods have asked for. */
export interface NodeInfo {
  readonly name: string;
  /** Undefined while pods are bound to a node that is not there. */
  node: Node | undefined;
  labels: Readonly<Record<string, string>>;
  allocatable: ReadonlyMap<string, number>;
  readonly requested: Map<string, number>;
  /** As `PodInfo.nominal`, of all its pods. */
  readonly nominal: { cpu: number; memory: number };
  readonly pods: Map<string, PodInfo>;
  readonly hostPorts: HostPort[];
}

/** How many pods of a sort are on each node; kept current as pods come and go. */
export interface Tally {
  readonly counts: ReadonlyMap<NodeInfo, number>;
  readonly total: number;
}

class Counter implements Tally {
  readonly counts = new Map<NodeInfo, number>();
  total = 0;

  change(at: NodeInfo, by: 1 | -1): void {
    const count = (this.counts.get(at) ?? 0) + by;
    if (count === 0) this.counts.delete(at);
    else this.counts.set(at, count);
    this.total += by;
  }
}

/** Counts pods that a predicate holds for. */
class QueryCounter extends Counter {
  readonly counted: (info: PodInfo) => boolean;

  constructor(counted: (info: PodInfo) => boolean) {
    super();
    this.counted = counted;
  }
}

/** Counts pods that have a term. */
export interface TermTally extends Tally {
  readonly term: Term;
}

class TermCounter extends Counter implements TermTally {
  readonly term: Term;

  constructor(term: Term) {
    super();
    this.term = term;
  }
}

export type TermKind = 'affinity' | 'antiAffinity' | 'preferredAffinity' | 'preferredAntiAffinity';
const TERM_KINDS: readonly TermKind[] = ['affinity', 'antiAffinity', 'preferredAffinity', 'preferredAntiAffinity'];

/** Tallies that are kept; the one that was not asked for the longest goes first. */
const TALLIES_MAX = 2000;

type ServiceSelectors = (namespace: string) => Iterable<Readonly<Record<string, string>>>;

export interface ClusterStateOptions {
  readonly namespaceLabels: NamespaceLabels;
  /** Selectors of the Services of a namespace. */
  readonly serviceSelectors: ServiceSelectors;
}

/** Nodes and their pods, in the form that scheduling asks questions of; every change costs about the same at any size. */
export class ClusterState {
  readonly #namespaceLabels: NamespaceLabels;
  readonly #serviceSelectors: ServiceSelectors;
  readonly #nodes = new Map<string, NodeInfo>();
  #present: NodeInfo[] | undefined;
  readonly #places = new Map<string, NodeInfo>();
  /** By key; in the order of their last use. */
  readonly #tallies = new Map<string, QueryCounter>();
  /** `key=value` of a label, or an owner, that all pods of a tally have → those tallies; '' → the others. */
  readonly #talliesByHint = new Map<string, Map<string, QueryCounter>>();
  readonly #terms: Readonly<Record<TermKind, Map<string, TermCounter>>> = {
    affinity: new Map(),
    antiAffinity: new Map(),
    preferredAffinity: new Map(),
    preferredAntiAffinity: new Map(),
  };

  constructor(options: ClusterStateOptions) {
    this.#namespaceLabels = options.namespaceLabels;
    this.#serviceSelectors = options.serviceSelectors;
  }

  /** Nodes that are there, in the order of their coming. */
  nodes(): readonly NodeInfo[] {
    this.#present ??= [...this.#nodes.values()].filter(({ node }) => node);
    return this.#present;
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name);
  }

  setNode(node: Node): void {
    const info = this.#nodeInfo(node.metadata.name);
    if (!info.node) this.#present = undefined;
    info.node = node;
    info.labels = node.metadata.labels ?? {};
    info.allocatable = toAmounts(node.status?.allocatable);
  }

  removeNode(name: string): void {
    const info = this.#nodes.get(name);
    if (!info) return;
    info.node = undefined;
    this.#present = undefined;
    this.#dropIfEmpty(info);
  }

  /** The node that a pod counts on; undefined for one that is not counted. */
  placeOf(uid: string): NodeInfo | undefined {
    return this.#places.get(uid);
  }

  /** Counts a pod on a node, in place of what was known of it. */
  addPod(info: PodInfo, nodeName: string): void {
    this.removePod(info.uid);
    const at = this.#nodeInfo(nodeName);
    this.#places.set(info.uid, at);
    at.pods.set(info.uid, info);
    addAll(at.requested, info.requests);
    at.nominal.cpu += info.nominal.cpu;
    at.nominal.memory += info.nominal.memory;
    at.hostPorts.push(...info.hostPorts);
    this.#count(info, at, 1);
  }

  removePod(uid: string): void {
    const at = this.#places.get(uid);
    const info = at?.pods.get(uid);
    if (!at || !info) return;
    this.#places.delete(uid);
    at.pods.delete(uid);
    addAll(at.requested, info.requests, -1);
    at.nominal.cpu -= info.nominal.cpu;
    at.nominal.memory -= info.nominal.memory;
    for (const port of info.hostPorts) at.hostPorts.splice(at.hostPorts.indexOf(port), 1);
    this.#count(info, at, -1);
    this.#dropIfEmpty(at);
  }

  /** Pods that a query means; those that are ending are left out when asked for. */
  tally(query: PodQuery, { withEnding }: { withEnding: boolean }): Tally {
    const counted = (info: PodInfo) => (withEnding || !info.ending) && isMeant(query, info, this.#namespaceLabels);
    return this.#tallyOf(`${withEnding} ${query.key}`, hintOf(query), counted);
  }

  /** Pods that all of some queries mean. */
  tallyOfAll(queries: readonly PodQuery[]): Tally {
    if (queries.length === 1) return this.tally(queries[0]!, { withEnding: true });
    const key = `all ${queries.map((query) => query.key).join(' ')}`;
    const counted = (info: PodInfo) => queries.every((query) => isMeant(query, info, this.#namespaceLabels));
    return this.#tallyOf(key, hintOf(queries[0]!), counted);
  }

  /** Pods of one controller. */
  tallyOfOwner(owner: string): Tally {
    return this.#tallyOf(`owner ${owner}`, `owner ${owner}`, (info) => info.owner === owner && !info.ending);
  }

  /** Pods that all Services of a pod select; undefined for a pod that no Service selects. */
  tallyOfServices(info: PodInfo): Tally | undefined {
    const selectors = [...this.#serviceSelectors(info.namespace)].filter((one) => selectsByMap(one, info.labels));
    if (selectors.length === 0) return undefined;
    const requirements = Object.entries(Object.assign({}, ...selectors) as Record<string, string>).map(
      ([key, value]) => ({ key, operator: 'In' as const, values: [value] }),
    );
    return this.tally(toQuery({ namespaces: [info.namespace], requirements }), { withEnding: false });
  }

  isMeant(query: PodQuery, info: PodInfo): boolean {
    return isMeant(query, info, this.#namespaceLabels);
  }

  /** Terms of pods that are there. */
  terms(kind: TermKind): Iterable<TermTally> {
    return this.#terms[kind].values();
  }

  hasTerms(kind: TermKind): boolean {
    return this.#terms[kind].size > 0;
  }

  /** Forgets what was counted by labels of namespaces, as they have changed. */
  namespacesChanged(): void {
    this.#tallies.clear();
    this.#talliesByHint.clear();
  }

  #nodeInfo(name: string): NodeInfo {
    let info = this.#nodes.get(name);
    if (!info) {
      const empty = { node: undefined, labels: {}, allocatable: new Map(), requested: new Map() };
      info = { name, ...empty, nominal: { cpu: 0, memory: 0 }, pods: new Map(), hostPorts: [] };
      this.#nodes.set(name, info);
    }
    return info;
  }

  #dropIfEmpty(info: NodeInfo): void {
    if (!info.node && info.pods.size === 0) this.#nodes.delete(info.name);
  }

  #tallyOf(key: string, hint: string, counted: (info: PodInfo) => boolean): Tally {
    let tally = this.#tallies.get(key);
    if (tally) this.#tallies.delete(key);
    else {
      tally = new QueryCounter(counted);
      for (const [uid, at] of this.#places) if (counted(at.pods.get(uid)!)) tally.change(at, 1);
      const group = this.#talliesByHint.get(hint) ?? new Map<string, QueryCounter>();
      this.#talliesByHint.set(hint, group.set(key, tally));
      if (this.#tallies.size >= TALLIES_MAX) this.#forgetOldest();
    }
    this.#tallies.set(key, tally);
    return tally;
  }

  #forgetOldest(): void {
    const oldest = this.#tallies.keys().next().value!;
    this.#tallies.delete(oldest);
    for (const [hint, group] of this.#talliesByHint) {
      if (group.delete(oldest) && group.size === 0) this.#talliesByHint.delete(hint);
    }
  }

  #count(info: PodInfo, at: NodeInfo, by: 1 | -1): void {
    const hints = ['', ...Object.entries(info.labels).map(([key, value]) => `${key}=${value}`)];
    if (info.owner !== undefined) hints.push(`owner ${info.owner}`);
    for (const hint of hints) {
      for (const tally of this.#talliesByHint.get(hint)?.values() ?? []) if (tally.counted(info)) tally.change(at, by);
    }
    for (const kind of TERM_KINDS) {
      for (const term of info[kind]) this.#countTerm(this.#terms[kind], { term, at, by });
    }
  }

  #countTerm(counters: Map<string, TermCounter>, { term, at, by }: { term: Term; at: NodeInfo; by: 1 | -1 }): void {
    const key = `${term.topologyKey} ${term.weight} ${term.query.key}`;
    const counter = counters.get(key) ?? new TermCounter(term);
    counters.set(key, counter);
    counter.change(at, by);
    if (counter.total === 0) counters.delete(key);
  }
}

/** A label that every meant pod has, so that other pods need not be asked. */
function hintOf({ requirements }: PodQuery): string {
  const exact = requirements?.find(({ operator, values }) => operator === 'In' && values.length === 1);
  return exact ? `${exact.key}=${exact.values[0]}` : '';
}

/** Value of a topology key → how many pods of a tally are in that domain. */
export function countByDomain({ counts }: Tally, topologyKey: string): Map<string, number> {
  const domains = new Map<string, number>();
  for (const [{ labels }, count] of counts) {
    const value = labels[topologyKey];
    if (value !== undefined) domains.set(value, (domains.get(value) ?? 0) + count);
  }
  return domains;
}
