import { isConflict, isNotFound } from '../api/errors.ts';
import { leases } from '../api/kinds/lease.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Node, Pod } from '../api/types.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { timestamp } from '../lib/clock.ts';
import type { ControllersOptions } from './options.ts';

const GRACE_MS = 40_000;
const UNREACHABLE = 'node.kubernetes.io/unreachable';
const NODE_LEASES = 'kube-node-lease';
const LOOK_MS = 5000;

type Taint = NonNullable<NonNullable<Node['spec']>['taints']>[number];

/** Notices nodes that stopped answering: they are tainted, their pods leave the endpoints, and later the node. */
export function startNodeLifecycle(options: ControllersOptions): void {
  const { informers, clock } = options;
  // A server that was away must not blame the nodes for it.
  const startedAt = clock.now();
  const controller = startController({
    ...options,
    name: 'nodelifecycle',
    reconcile: (name) => reconcile(options, { name, startedAt }),
  });
  informers.of(nodes).subscribe(({ object }) => controller.enqueue(object.metadata.name));
  informers.of(leases, { namespace: NODE_LEASES });
}

async function reconcile(
  options: ControllersOptions,
  { name, startedAt }: { name: string; startedAt: number },
): Promise<Outcome> {
  const { informers, clock } = options;
  const caches = [informers.of(nodes), informers.of(leases, { namespace: NODE_LEASES }), informers.of(pods)];
  await Promise.all(caches.map((cache) => cache.whenSynced()));
  const node = informers.of(nodes).get(name);
  if (!node) return undefined;
  const renewed = informers.of(leases, { namespace: NODE_LEASES }).get(name, NODE_LEASES)?.spec?.renewTime;
  const seenAt = Math.max(
    startedAt,
    Date.parse(node.metadata.creationTimestamp ?? ''),
    renewed ? Date.parse(renewed) : 0,
  );
  const silent = clock.now() - seenAt > GRACE_MS;
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  if (silent && ready?.status === 'True') await markUnknown(options, node);
  const isReady = !silent && ready?.status === 'True';
  await setTaints(options, node, isReady);
  if (silent) await evict(options, node);
  return { again: LOOK_MS };
}

async function markUnknown(options: ControllersOptions, node: Node): Promise<void> {
  const now = timestamp(options.clock.now());
  const condition = {
    type: 'Ready',
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
    lastTransitionTime: now,
  };
  const body = { status: { conditions: [condition] } };
  await options.client.patch(nodes, { name: node.metadata.name }, { type: 'strategic', body, subresource: 'status' });
  options.recorder.record(node, {
    type: 'Normal',
    reason: 'NodeNotReady',
    message: `Node ${node.metadata.name} status is now: NodeNotReady`,
  });
  for (const pod of podsOf(options, node)) await markNotReady(options, pod, now);
}

async function markNotReady({ client }: ControllersOptions, pod: Pod, now: string): Promise<void> {
  const { name, namespace } = pod.metadata;
  const conditions = [{ type: 'Ready', status: 'False', reason: 'NodeNotReady', lastTransitionTime: now }];
  await client
    .patch(pods, { name, namespace }, { type: 'strategic', body: { status: { conditions } }, subresource: 'status' })
    .catch(ignoreGone);
}

function podsOf({ informers }: ControllersOptions, node: Node): Pod[] {
  return informers
    .of(pods)
    .list()
    .filter((pod) => pod.spec?.nodeName === node.metadata.name);
}

const OWN_TAINTS = ['node.kubernetes.io/not-ready', UNREACHABLE];

/** Conditions that keep new pods away from a node, and the taints that do it. */
const PRESSURES: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
};

/** The taints of a node with those of this controller as they should be. Pure. */
export function wantedTaints(node: Node, options: { ready: boolean; now: string }): Taint[] {
  const own = [...OWN_TAINTS, ...Object.values(PRESSURES)];
  const pressures = Object.entries(PRESSURES)
    .filter(([type]) => node.status?.conditions?.some((one) => one.type === type && one.status === 'True'))
    .map(([, key]): Taint => ({ key, effect: 'NoSchedule' }));
  const others = [...(node.spec?.taints ?? []).filter((taint) => !own.includes(taint.key)), ...pressures];
  if (options.ready) return others;
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  const key = ready?.status === 'Unknown' ? UNREACHABLE : 'node.kubernetes.io/not-ready';
  const old = node.spec?.taints?.find((taint) => taint.key === key && taint.effect === 'NoExecute');
  return [
    ...others,
    { key, effect: 'NoSchedule' },
    { key, effect: 'NoExecute', timeAdded: old?.timeAdded ?? options.now },
  ];
}

async function setTaints({ client, clock }: ControllersOptions, node: Node, ready: boolean): Promise<void> {
  const taints = wantedTaints(node, { ready, now: timestamp(clock.now()) });
  if (JSON.stringify(taints) === JSON.stringify(node.spec?.taints ?? [])) return;
  const body = {
    metadata: { resourceVersion: node.metadata.resourceVersion },
    spec: { taints: taints.length > 0 ? taints : null },
  };
  await client.patch(nodes, { name: node.metadata.name }, { type: 'merge', body }).catch(ignoreGone);
}

/** Deletes the pods whose toleration of an unreachable node is over. */
async function evict(options: ControllersOptions, node: Node): Promise<void> {
  const taint = node.spec?.taints?.find(
    (candidate) => candidate.key === UNREACHABLE && candidate.effect === 'NoExecute',
  );
  if (!taint?.timeAdded) return;
  const elapsedMs = options.clock.now() - Date.parse(taint.timeAdded);
  for (const pod of podsOf(options, node)) {
    const toleration = pod.spec?.tolerations?.find(
      (t) => (!t.key || t.key === UNREACHABLE) && (!t.effect || t.effect === 'NoExecute'),
    );
    const forever = toleration && toleration.tolerationSeconds === undefined;
    if (forever || elapsedMs < (toleration?.tolerationSeconds ?? 0) * 1000 || pod.metadata.deletionTimestamp) continue;
    const { name, namespace } = pod.metadata;
    options.recorder.record(pod, {
      type: 'Normal',
      reason: 'TaintManagerEviction',
      message: `Marking for deletion Pod ${namespace}/${name}`,
    });
    await options.client.delete(pods, { name, namespace }).catch(ignoreGone);
  }
}

function ignoreGone(error: unknown): void {
  if (!isNotFound(error) && !isConflict(error)) throw error;
}
