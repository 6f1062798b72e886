import { parseQuantity } from '../api/quantity.ts';
import { type LabelRequirement, matchesLabels } from '../api/selectors.ts';
import type { Node, Pod } from '../api/types.ts';

type PodSpec = NonNullable<Pod['spec']>;
type Term = { matchExpressions?: { key: string; operator: string; values?: string[] }[] };

/** What the pods on a node have asked for. */
export interface Usage {
  readonly cpu: number;
  readonly memory: number;
  readonly pods: number;
  readonly hostPorts: ReadonlySet<string>;
}

/** Why a pod can't run on a node, in the scheduler's words; undefined when it can. */
export function misfit(pod: Pod, node: Node, usage: Usage): string | undefined {
  const spec = pod.spec!;
  if (
    node.spec?.unschedulable &&
    !toleratesAll(spec, [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }])
  ) {
    return 'node(s) were unschedulable';
  }
  const taint = (node.spec?.taints ?? []).find((t) => t.effect !== 'PreferNoSchedule' && !toleratesAll(spec, [t]));
  if (taint) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
  if (!matchesNode(spec, node)) return "node(s) didn't match Pod's node affinity/selector";
  if (hostPorts(spec).some((port) => usage.hostPorts.has(port))) {
    return "node(s) didn't have free ports for the requested pod ports";
  }
  return lacks(spec, node, usage);
}

function toleratesAll(spec: PodSpec, taints: readonly { key: string; value?: string; effect: string }[]): boolean {
  return taints.every((taint) =>
    (spec.tolerations ?? []).some(
      (t) =>
        (!t.effect || t.effect === taint.effect) &&
        (t.key ? t.key === taint.key : t.operator === 'Exists') &&
        (t.operator === 'Exists' || (t.value ?? '') === (taint.value ?? '')),
    ),
  );
}

function matchesNode(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  if (Object.entries(spec.nodeSelector ?? {}).some(([key, value]) => labels[key] !== value)) return false;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return !terms || terms.some((term) => matchesTerm(term as Term, labels));
}

function matchesTerm(term: Term, labels: Record<string, string>): boolean {
  return (term.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    if (operator === 'Gt') return Number(labels[key]) > Number(values[0]);
    if (operator === 'Lt') return Number(labels[key]) < Number(values[0]);
    return matchesLabels([{ key, operator, values } as LabelRequirement], labels);
  });
}

function lacks(spec: PodSpec, node: Node, usage: Usage): string | undefined {
  const allocatable = node.status?.allocatable ?? {};
  const wants = requestsOf(spec);
  if (usage.pods + 1 > amount(allocatable['pods'])) return 'Too many pods';
  if (wants.cpu > 0 && usage.cpu + wants.cpu > amount(allocatable['cpu'])) return 'Insufficient cpu';
  if (wants.memory > 0 && usage.memory + wants.memory > amount(allocatable['memory'])) return 'Insufficient memory';
  return undefined;
}

function amount(quantity: string | number | undefined): number {
  return quantity === undefined ? 0 : (parseQuantity(String(quantity)) ?? 0);
}

/** Cores and bytes that a pod's containers ask for. */
export function requestsOf(spec: PodSpec): { cpu: number; memory: number } {
  const sum = (name: string) =>
    spec.containers.reduce((total, container) => total + amount(container.resources?.requests?.[name]), 0);
  return { cpu: sum('cpu'), memory: sum('memory') };
}

export function hostPorts(spec: PodSpec): string[] {
  const ports = spec.containers.flatMap((container) => container.ports ?? []);
  return ports.filter((port) => port.hostPort).map((port) => `${port.protocol ?? 'TCP'}/${port.hostPort}`);
}

export function usageOf(pods: readonly Pod[]): Usage {
  const requests = pods.map((pod) => requestsOf(pod.spec!));
  return {
    cpu: requests.reduce((sum, { cpu }) => sum + cpu, 0),
    memory: requests.reduce((sum, { memory }) => sum + memory, 0),
    pods: pods.length,
    hostPorts: new Set(pods.flatMap((pod) => hostPorts(pod.spec!))),
  };
}
