import { type LabelOperator, type LabelRequirement, matchesLabels, selectorRequirements } from '../api/selectors.ts';
import type { Pod } from '../api/types.ts';
import { type Amounts, podRequests } from './requests.ts';

type PodSpec = NonNullable<Pod['spec']>;
type AffinityTerm = NonNullable<
  NonNullable<NonNullable<PodSpec['affinity']>['podAffinity']>['requiredDuringSchedulingIgnoredDuringExecution']
>[number];
type Constraint = NonNullable<PodSpec['topologySpreadConstraints']>[number];

/** Which pods are meant: of these namespaces, with these labels. */
export interface PodQuery {
  /** Equal texts, equal queries. */
  readonly key: string;
  readonly namespaces: ReadonlySet<string>;
  /** Namespaces whose labels match are meant too; undefined: none. */
  readonly namespaceSelector: readonly LabelRequirement[] | undefined;
  /** Undefined matches nothing. */
  readonly requirements: readonly LabelRequirement[] | undefined;
}

/** Pods together with others of a kind in a domain, or apart from them. */
export interface Term {
  readonly query: PodQuery;
  readonly topologyKey: string;
  /** 1 to 100; 0 for a required term. */
  readonly weight: number;
}

export interface SpreadConstraint {
  readonly query: PodQuery;
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly honorAffinity: boolean;
  readonly honorTaints: boolean;
}

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** What scheduling needs to know of a pod, worked out once. */
export interface PodInfo {
  readonly pod: Pod;
  readonly uid: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly priority: number;
  /** Uid of the controller that makes pods like this one. */
  readonly owner: string | undefined;
  readonly ending: boolean;
  readonly requests: Amounts;
  /** What it is taken to need when nodes are compared: asking for nothing is not needing nothing. */
  readonly nominal: { readonly cpu: number; readonly memory: number };
  readonly hostPorts: readonly HostPort[];
  readonly affinity: readonly Term[];
  readonly antiAffinity: readonly Term[];
  readonly preferredAffinity: readonly Term[];
  readonly preferredAntiAffinity: readonly Term[];
  readonly spreadRequired: readonly SpreadConstraint[];
  readonly spreadPreferred: readonly SpreadConstraint[];
}

const NOMINAL = { cpu: 100, memory: 200 * 1024 * 1024 } as const;

export function toPodInfo(pod: Pod): PodInfo {
  const spec = pod.spec!;
  const requests = podRequests(spec);
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const spread = spec.topologySpreadConstraints ?? [];
  const required = (terms: readonly AffinityTerm[] | undefined) => (terms ?? []).map((term) => toTerm(pod, term, 0));
  const preferred = (terms: readonly { weight: number; podAffinityTerm: AffinityTerm }[] | undefined) =>
    (terms ?? []).map(({ weight, podAffinityTerm }) => toTerm(pod, podAffinityTerm, weight));
  const constraints = (whenUnsatisfiable: string) =>
    spread.filter((one) => one.whenUnsatisfiable === whenUnsatisfiable).map((one) => toConstraint(pod, one));
  return {
    pod,
    uid: pod.metadata.uid!,
    namespace: pod.metadata.namespace ?? '',
    labels: pod.metadata.labels ?? {},
    priority: spec.priority ?? 0,
    owner: pod.metadata.ownerReferences?.find((reference) => reference.controller)?.uid,
    ending: pod.metadata.deletionTimestamp !== undefined,
    requests,
    nominal: { cpu: requests.get('cpu') || NOMINAL.cpu, memory: requests.get('memory') || NOMINAL.memory },
    hostPorts: hostPorts(spec),
    affinity: required(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    antiAffinity: required(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferredAffinity: preferred(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    preferredAntiAffinity: preferred(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    spreadRequired: constraints('DoNotSchedule'),
    spreadPreferred: constraints('ScheduleAnyway'),
  };
}

function toTerm(pod: Pod, term: AffinityTerm, weight: number): Term {
  const { topologyKey, labelSelector, namespaces = [], namespaceSelector } = term;
  const own = namespaces.length === 0 && !namespaceSelector ? [pod.metadata.namespace ?? ''] : namespaces;
  const requirements = labelSelector && [
    ...selectorRequirements(labelSelector),
    ...sameLabels(pod, term.matchLabelKeys, 'In'),
    ...sameLabels(pod, term.mismatchLabelKeys, 'NotIn'),
  ];
  const selector = namespaceSelector && selectorRequirements(namespaceSelector);
  return { query: toQuery({ namespaces: own, requirements, namespaceSelector: selector }), topologyKey, weight };
}

function toConstraint(pod: Pod, constraint: Constraint): SpreadConstraint {
  const { labelSelector, topologyKey, maxSkew } = constraint;
  const requirements = labelSelector && [
    ...selectorRequirements(labelSelector),
    ...sameLabels(pod, constraint.matchLabelKeys, 'In'),
  ];
  return {
    query: toQuery({ namespaces: [pod.metadata.namespace ?? ''], requirements }),
    topologyKey,
    maxSkew,
    minDomains: constraint.minDomains ?? 1,
    honorAffinity: (constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor',
    honorTaints: constraint.nodeTaintsPolicy === 'Honor',
  };
}

/** `matchLabelKeys`: pods whose values for these keys are the pod's own, or are not (KEP-3633). */
function sameLabels(pod: Pod, keys: readonly string[] | undefined, operator: LabelOperator): LabelRequirement[] {
  const labels = pod.metadata.labels ?? {};
  const present = (keys ?? []).filter((key) => labels[key] !== undefined);
  return present.map((key) => ({ key, operator, values: [labels[key]!] }));
}

export function toQuery(parts: {
  namespaces: readonly string[];
  requirements: readonly LabelRequirement[] | undefined;
  namespaceSelector?: readonly LabelRequirement[] | undefined;
}): PodQuery {
  const { requirements, namespaceSelector } = parts;
  const namespaces = new Set(parts.namespaces);
  const key = JSON.stringify([[...namespaces].sort(), namespaceSelector ?? null, requirements ?? null]);
  return { key, namespaces, namespaceSelector, requirements };
}

/** Labels of a namespace. */
export type NamespaceLabels = (name: string) => Readonly<Record<string, string>> | undefined;

export function isMeant(query: PodQuery, info: PodInfo, namespaceLabels: NamespaceLabels): boolean {
  if (!query.requirements || !matchesLabels(query.requirements, info.labels)) return false;
  if (query.namespaces.has(info.namespace)) return true;
  return (
    query.namespaceSelector !== undefined && matchesLabels(query.namespaceSelector, namespaceLabels(info.namespace))
  );
}

function hostPorts(spec: PodSpec): HostPort[] {
  const containers = [
    ...spec.containers,
    ...(spec.initContainers ?? []).filter((one) => one.restartPolicy === 'Always'),
  ];
  const ports = containers.flatMap((container) => container.ports ?? []).filter((port) => port.hostPort);
  return ports.map((port) => ({
    ip: port.hostIP || '0.0.0.0',
    protocol: port.protocol ?? 'TCP',
    port: port.hostPort!,
  }));
}

export function portsConflict(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0';
}
