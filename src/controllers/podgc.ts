import { isNotFound } from '../api/errors.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import { Index } from '../client/index-by.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { timestamp } from '../lib/clock.ts';
import { podsByNode } from './claim.ts';
import { ignoreGone, isPodFinished } from './common.ts';
import type { ControllersOptions } from './options.ts';

/** Ended pods that are kept; the oldest beyond them go. */
const ENDED_MAX = 12_500;
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';
const ENDED = 'ended';

/** Removes pods that no agent will end: bound to nodes that are gone or out of service, and ended ones in too large numbers. */
export function startPodGc(options: ControllersOptions): void {
  const { informers } = options;
  const onNodes = podsByNode(informers.of(pods));
  const ended = new Index(informers.of(pods), (pod) => (isPodFinished(pod) ? ENDED : undefined));
  const controller = startController({
    ...options,
    name: 'podgc',
    reconcile: async (key) => {
      await Promise.all([informers.of(pods).whenSynced(), informers.of(nodes).whenSynced()]);
      if (key === ENDED) return dropEnded(options, ended.get(ENDED));
      const { name, namespace } = splitKey(key);
      const pod = informers.of(pods).get(name, namespace);
      return pod && collect(options, pod);
    },
  });
  informers.of(nodes).subscribe(({ type, object }) => {
    const outOfService = object.spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false;
    if (type !== 'deleted' && !outOfService) return;
    for (const pod of onNodes.get(object.metadata.name)) controller.enqueue(objectKey(pod));
  });
  informers.of(pods).subscribe(({ type, object }) => {
    const { nodeName } = object.spec ?? {};
    if (type === 'deleted') return;
    const suspect = nodeName && informers.of(nodes).synced && !informers.of(nodes).get(nodeName);
    if (suspect || (object.metadata.deletionTimestamp && isLost(options, object)))
      controller.enqueue(objectKey(object));
    if (isPodFinished(object) && ended.get(ENDED).length > ENDED_MAX) controller.enqueue(ENDED);
  });
}

/** Ending, on a node that an operator has declared dead. */
function isLost({ informers }: ControllersOptions, { spec }: Pod): boolean {
  const node = informers.of(nodes).get(spec?.nodeName ?? '');
  const ready = node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
  return !ready && (node?.spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false);
}

async function collect(options: ControllersOptions, pod: Pod): Promise<void> {
  const { client, informers } = options;
  const { nodeName } = pod.spec ?? {};
  if (!nodeName) return;
  if (informers.of(nodes).get(nodeName)) {
    if (pod.metadata.deletionTimestamp && isLost(options, pod)) await remove(options, pod);
    return;
  }
  // The cache of pods may be ahead of that of nodes.
  const exists = await client.get(nodes, { name: nodeName }).then(
    () => true,
    (error: unknown) => {
      if (isNotFound(error)) return false;
      throw error;
    },
  );
  if (!exists) await remove(options, pod);
}

/** It is said to have failed first: whoever counts it must know how it ended. */
async function remove({ client, clock }: ControllersOptions, pod: Pod): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  if (!isPodFinished(pod)) {
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByPodGC',
      message: 'PodGC: node no longer exists',
      lastTransitionTime: timestamp(clock.now()),
    };
    const body = { status: { phase: 'Failed', conditions: [condition] } };
    await client.patch(pods, { name, namespace }, { type: 'strategic', body, subresource: 'status' }).catch(ignoreGone);
  }
  const options = { gracePeriodSeconds: 0, preconditions: { uid } };
  await client.delete(pods, { name, namespace }, options).catch(ignoreGone);
}

async function dropEnded(options: ControllersOptions, all: readonly Pod[]): Promise<void> {
  const age = ({ metadata }: Pod) => metadata.creationTimestamp ?? '';
  const oldest = all.toSorted((a, b) => (age(a) < age(b) ? -1 : 1)).slice(0, Math.max(0, all.length - ENDED_MAX));
  for (const pod of oldest) await remove(options, pod);
}
