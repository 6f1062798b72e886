import { leases } from '../api/kinds/lease.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Node, Pod } from '../api/types.ts';
import type { Index } from '../client/index-by.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { timestamp } from '../lib/clock.ts';
import { podsByNode } from './claim.ts';
import { ignoreGone, isPodReady, sameContent } from './common.ts';
import { unknownConditions, wantedTaints } from './nodelifecycle/taints.ts';
import type { ControllersOptions } from './options.ts';

const GRACE_MS = 40_000;
const NODE_LEASES = 'kube-node-lease';
const LOOK_MS = 5000;

/** Notices nodes that stopped answering: they are tainted, and their pods leave the endpoints. */
export function startNodeLifecycle(options: ControllersOptions): void {
  const { informers, clock } = options;
  // A server that was away must not blame the nodes for it.
  const startedAt = clock.now();
  const onNodes = podsByNode(informers.of(pods));
  const controller = startController({
    ...options,
    name: 'nodelifecycle',
    reconcile: (name) => reconcile(options, { name, startedAt, onNodes }),
  });
  informers.of(nodes).subscribe(({ object }) => controller.enqueue(object.metadata.name));
  informers.of(leases, { namespace: NODE_LEASES });
}

interface Place {
  readonly name: string;
  readonly startedAt: number;
  readonly onNodes: Index<Pod>;
}

async function reconcile(options: ControllersOptions, { name, startedAt, onNodes }: Place): Promise<Outcome> {
  const { informers, clock } = options;
  const renewals = informers.of(leases, { namespace: NODE_LEASES });
  await Promise.all([informers.of(nodes), renewals, informers.of(pods)].map((cache) => cache.whenSynced()));
  const node = informers.of(nodes).get(name);
  if (!node) return undefined;
  const renewed = Date.parse(renewals.get(name, NODE_LEASES)?.spec?.renewTime ?? '') || 0;
  const seenAt = Math.max(startedAt, Date.parse(node.metadata.creationTimestamp ?? ''), renewed);
  const silent = clock.now() - seenAt > GRACE_MS;
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  if (silent && ready !== 'Unknown') await markUnknown(options, node);
  const isReady = !silent && ready === 'True';
  if (!isReady) await markPods(options, onNodes.get(name));
  await setTaints(options, node, silent ? 'Unknown' : (ready ?? 'False'));
  return { again: LOOK_MS };
}

async function markUnknown({ client, clock, recorder }: ControllersOptions, node: Node): Promise<void> {
  const { name } = node.metadata;
  const body = { status: { conditions: unknownConditions(node, timestamp(clock.now())) } };
  await client.patch(nodes, { name }, { type: 'strategic', body, subresource: 'status' }).catch(ignoreGone);
  const message = `Node ${name} status is now: NodeNotReady`;
  recorder.record(node, { type: 'Normal', reason: 'NodeNotReady', message });
}

/** Nobody else will say that they do not answer. */
async function markPods({ client, clock }: ControllersOptions, all: readonly Pod[]): Promise<void> {
  const lastTransitionTime = timestamp(clock.now());
  const conditions = [{ type: 'Ready', status: 'False', reason: 'NodeNotReady', lastTransitionTime }];
  for (const { metadata } of all.filter(isPodReady)) {
    const { name, namespace } = metadata;
    const request = { type: 'strategic', body: { status: { conditions } }, subresource: 'status' } as const;
    await client.patch(pods, { name, namespace }, request).catch(ignoreGone);
  }
}

async function setTaints({ client, clock }: ControllersOptions, node: Node, ready: string): Promise<void> {
  const taints = wantedTaints(node, { ready, now: timestamp(clock.now()) });
  if (sameContent(taints, node.spec?.taints ?? [])) return;
  const { name, resourceVersion } = node.metadata;
  const body = { metadata: { resourceVersion }, spec: { taints: taints.length > 0 ? taints : null } };
  await client.patch(nodes, { name }, { type: 'merge', body }).catch(ignoreGone);
}
