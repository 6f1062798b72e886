import { isConflict, isNotFound } from '../../api/errors.ts';
import { leases } from '../../api/kinds/lease.ts';
import { nodes } from '../../api/kinds/node.ts';
import { pods } from '../../api/kinds/pod.ts';
import type { Node, Pod } from '../../api/types.ts';
import type { Client } from '../../client/client.ts';
import { type Informers, objectKey, splitKey } from '../../client/informer.ts';
import { startController } from '../../client/reconcile.ts';
import { type Clock, microTimestamp, sleep } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { AddressPools } from './addresses.ts';
import {
  FAKE_LABEL,
  fakeNode,
  fakeNodeIndex,
  fakeNodeName,
  fakeReady,
  finishedStatus,
  runningStatus,
} from './objects.ts';

export interface FakeNodesOptions {
  client: Client;
  /** Its pods may be trimmed by `trimPod`. */
  informers: Informers;
  count: number;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

const NODE_LEASES = 'kube-node-lease';
const LEASE_SECONDS = 40;
const RENEW_MS = 15_000;
/** Rounds in which all leases are renewed once, so that they do not come all at once. */
const ROUNDS = 15;
/** Requests on their way at once. */
const AT_ONCE = 32;

/**
 * Registers `fake-1` to `fake-<count>` and keeps them alive; their pods are recorded as running, and cost nothing. Resolves
 * when all are there.
 */
export async function startFakeNodes(options: FakeNodesOptions): Promise<void> {
  const { informers, count } = options;
  await informers.of(nodes).whenSynced();
  const surplus = informers
    .of(nodes)
    .list()
    .filter((node) => isFake(node) && fakeNodeIndex(node.metadata.name)! >= count);
  await each(surplus, ({ metadata }) => options.client.delete(nodes, { name: metadata.name }).catch(ignoreGone));
  await each(
    Array.from({ length: count }, (_, index) => index),
    (index) => register(options, index),
  );
  void renewLeases(options);
  followPods(options);
}

function isFake({ metadata }: Node): boolean {
  return metadata.labels?.[FAKE_LABEL] === 'true' && fakeNodeIndex(metadata.name) !== undefined;
}

/** Some at once, in order; the first failure ends it. */
async function each<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const work = async () => {
    for (const item of left) await action(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function register(options: FakeNodesOptions, index: number): Promise<void> {
  const { client, informers, clock } = options;
  const name = fakeNodeName(index);
  if (!informers.of(nodes).get(name)) await client.create(nodes, fakeNode(index, clock.now()));
  await renew(options, index);
}

async function renewLeases(options: FakeNodesOptions): Promise<void> {
  const { count, clock, signal, log } = options;
  for (let round = 0; !signal.aborted; round = (round + 1) % ROUNDS) {
    await sleep(clock, RENEW_MS / ROUNDS, signal).catch(() => {});
    const due = Array.from({ length: count }, (_, index) => index).filter((index) => index % ROUNDS === round);
    await each(due, (index) => renew(options, index)).catch((error: unknown) => {
      if (!signal.aborted) log.warn('leases were not renewed', { error });
    });
  }
}

async function renew({ client, clock, informers }: FakeNodesOptions, index: number): Promise<void> {
  const name = fakeNodeName(index);
  const key = { name, namespace: NODE_LEASES };
  const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime: microTimestamp(clock.now()) };
  await client.patch(leases, key, { type: 'merge', body: { spec } }).catch(async (error: unknown) => {
    if (!isNotFound(error)) throw error;
    await client.create(leases, { metadata: { ...key }, spec });
  });
  const ready = informers
    .of(nodes)
    .get(name)
    ?.status?.conditions?.find(({ type }) => type === 'Ready');
  // A controller that missed our leases has marked the node.
  if (!ready || ready.status === 'True') return;
  const body = { status: { conditions: [fakeReady(clock.now())] } };
  await client.patch(nodes, { name }, { type: 'strategic', body, subresource: 'status' });
}

function followPods(options: FakeNodesOptions): void {
  const { informers, count } = options;
  const addresses = new AddressPools();
  const cache = informers.of(pods);
  const isOurs = ({ spec }: Pod) => (fakeNodeIndex(spec?.nodeName ?? '') ?? count) < count;
  const controller = startController({
    ...options,
    name: 'fakepods',
    workers: AT_ONCE,
    reconcile: async (key) => {
      const { name, namespace } = splitKey(key);
      const pod = cache.get(name, namespace);
      if (pod && isOurs(pod)) await bringUp(options, pod, addresses);
    },
  });
  cache.subscribe(({ type, object }) => {
    if (!isOurs(object)) return;
    const { uid } = object.metadata;
    if (type === 'deleted') return addresses.release(uid!);
    const index = fakeNodeIndex(object.spec!.nodeName!)!;
    if (object.status?.podIP) addresses.reserve({ uid: uid!, index, ip: object.status.podIP });
    if (needsWork(object)) controller.enqueue(objectKey(object));
  });
}

function needsWork(pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp) return true;
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return false;
  return !pod.status?.podIP || isOfJob(pod) || opensGates(pod);
}

function isOfJob(pod: Pod): boolean {
  return pod.metadata.ownerReferences?.some(({ kind }) => kind === 'Job') ?? false;
}

/** All readiness gates have become true since the pod was said not to be ready. */
function opensGates({ spec, status }: Pod): boolean {
  const isTrue = (wanted: string) => status?.conditions?.some((one) => one.type === wanted && one.status === 'True');
  return (
    (spec!.readinessGates ?? []).length > 0 &&
    !isTrue('Ready') &&
    spec!.readinessGates!.every((one) => isTrue(one.conditionType))
  );
}

async function bringUp({ client, clock }: FakeNodesOptions, pod: Pod, addresses: AddressPools): Promise<void> {
  if (!needsWork(pod)) return;
  const { name, namespace, uid } = pod.metadata;
  try {
    if (pod.metadata.deletionTimestamp) {
      await client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } });
      return;
    }
    const index = fakeNodeIndex(pod.spec!.nodeName!)!;
    const done = isOfJob(pod) && pod.status?.podIP;
    const ip = pod.spec!.hostNetwork ? undefined : addresses.take({ uid: uid!, index });
    const now = clock.now();
    const status = done ? finishedStatus(pod, now) : runningStatus(pod, { ip, now });
    const body = { metadata: { uid }, status };
    await client.patch(pods, { name, namespace }, { type: 'strategic', body, subresource: 'status' });
  } catch (error) {
    ignoreGone(error);
  }
}

function ignoreGone(error: unknown): void {
  if (!isNotFound(error) && !isConflict(error)) throw error;
}
