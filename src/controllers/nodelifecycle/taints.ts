import type { Node } from '../../api/types.ts';

type Taint = NonNullable<NonNullable<Node['spec']>['taints']>[number];
type Condition = NonNullable<NonNullable<Node['status']>['conditions']>[number];

const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
/** Conditions that keep new pods off a node. */
const PRESSURES: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
const OWN = [NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(PRESSURES)];

/** The taints of a node with those of this controller as they should be; `ready`: its condition. Pure. */
export function wantedTaints(node: Node, { ready, now }: { ready: string; now: string }): Taint[] {
  const others = (node.spec?.taints ?? []).filter(({ key }) => !OWN.includes(key));
  const keys = (node.status?.conditions ?? [])
    .filter(({ status }) => status === 'True')
    .map(({ type }) => PRESSURES[type]);
  const pressures = keys.filter((key) => key !== undefined);
  const closed = [...pressures, ...(node.spec?.unschedulable ? [UNSCHEDULABLE] : [])];
  const noSchedule = closed.map((key): Taint => ({ key, effect: 'NoSchedule' }));
  if (ready === 'True') return [...others, ...noSchedule];
  const key = ready === 'Unknown' ? UNREACHABLE : NOT_READY;
  const old = node.spec?.taints?.find((taint) => taint.key === key && taint.effect === 'NoExecute');
  const timeAdded = old?.timeAdded ?? now;
  return [...others, ...noSchedule, { key, effect: 'NoSchedule' }, { key, effect: 'NoExecute', timeAdded }];
}

const REPORTED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** What a node that is not heard of says of itself is no longer known. Pure. */
export function unknownConditions(node: Node, now: string): Condition[] {
  const present = node.status?.conditions ?? [];
  const never = present.length === 0;
  const reason = never ? 'NodeStatusNeverUpdated' : 'NodeStatusUnknown';
  const message = never ? 'Kubelet never posted node status.' : 'Kubelet stopped posting node status.';
  const types = REPORTED.filter((type) => type === 'Ready' || present.some((condition) => condition.type === type));
  return types.map((type) => ({ type, status: 'Unknown', reason, message, lastTransitionTime: now }));
}
