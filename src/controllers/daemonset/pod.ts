import { daemonSets } from '../../api/kinds/daemonset.ts';
import { matchesNode, tolerates, untolerated } from '../../api/pod/placement.ts';
import type { DaemonSet, New, Node, Pod } from '../../api/types.ts';
import { REVISION_LABEL } from '../history.ts';
import { podFromTemplate } from '../podcontrol.ts';

type PodSpec = NonNullable<Pod['spec']>;
type Toleration = NonNullable<PodSpec['tolerations']>[number];

/** What every daemon bears: a node's troubles must not end what might mend them. */
const TOLERATED: readonly (readonly [key: string, effect: string])[] = [
  ['node.kubernetes.io/not-ready', 'NoExecute'],
  ['node.kubernetes.io/unreachable', 'NoExecute'],
  ['node.kubernetes.io/disk-pressure', 'NoSchedule'],
  ['node.kubernetes.io/memory-pressure', 'NoSchedule'],
  ['node.kubernetes.io/pid-pressure', 'NoSchedule'],
  ['node.kubernetes.io/unschedulable', 'NoSchedule'],
];

/** The pod of one node, held there by its affinity. `hash`: of the revision. Pure. */
export function daemonPod(set: DaemonSet, { node, hash }: { node: string; hash: string }): New<Pod> {
  const pod = podFromTemplate({ kind: daemonSets, object: set }, set.spec?.template);
  pod.metadata.labels = { ...pod.metadata.labels, [REVISION_LABEL]: hash };
  pod.spec!.affinity = { ...pod.spec!.affinity, nodeAffinity: onlyOn(pod.spec!, node) };
  pod.spec!.tolerations = daemonTolerations(pod.spec!);
  return pod;
}

type NodeAffinity = NonNullable<NonNullable<PodSpec['affinity']>['nodeAffinity']>;

function onlyOn(spec: PodSpec, node: string): NodeAffinity {
  const affinity = spec.affinity?.nodeAffinity;
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [node] }];
  const terms = affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}];
  const nodeSelectorTerms = terms.map((term) => ({ ...term, matchFields }));
  return { ...affinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } as NodeAffinity;
}

function daemonTolerations(spec: PodSpec): Toleration[] {
  const wanted = spec.hostNetwork
    ? [...TOLERATED, ['node.kubernetes.io/network-unavailable', 'NoSchedule'] as const]
    : TOLERATED;
  const own = spec.tolerations ?? [];
  const added = wanted.filter(
    ([key, effect]) => !own.some((one) => one.key === key && one.operator === 'Exists' && one.effect === effect),
  );
  return [...own, ...added.map(([key, effect]) => ({ key, operator: 'Exists', effect }) as Toleration)];
}

/** The node that a daemon's pod is for, bound or not. */
export function nodeOf({ spec }: Pod): string | undefined {
  if (spec?.nodeName) return spec.nodeName;
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const fields = required?.nodeSelectorTerms.flatMap((term) => term.matchFields ?? []) ?? [];
  return fields.find(({ key }) => key === 'metadata.name')?.values?.[0];
}

/** Whether a node should get a set's pod, and whether one that is there may stay. */
export function placement(set: DaemonSet, node: Node): { run: boolean; stay: boolean } {
  const spec = set.spec!.template.spec!;
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return { run: false, stay: false };
  if (!matchesNode(spec, node)) return { run: false, stay: false };
  const tolerations = daemonTolerations(spec);
  const stay = untolerated(node, tolerations, ['NoExecute']).length === 0;
  const cordon = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;
  const cordoned = node.spec?.unschedulable && !tolerations.some((toleration) => tolerates(toleration, cordon));
  return { run: stay && !cordoned && untolerated(node, tolerations, ['NoSchedule']).length === 0, stay };
}
