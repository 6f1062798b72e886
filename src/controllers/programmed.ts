import { isDeepStrictEqual } from 'node:util';
import { isConflict, isNotFound } from '../api/errors.ts';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { leases } from '../api/kinds/lease.ts';
import { nodes } from '../api/kinds/node.ts';
import { services } from '../api/kinds/service.ts';
import { NODE_LEASES, PROGRAMMED, reportOf, routedPart } from '../api/programmed.ts';
import type { Node, Service } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { type Controller, startController } from '../client/reconcile.ts';
import { sleep, timestamp } from '../lib/clock.ts';
import type { ControllersOptions } from './options.ts';
import { type Count, Progress } from './programmed/progress.ts';
import { followEndingPods } from './programmed/unrouted.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';
/** A Service that all nodes have within this time is written once; one that they do not, is said to wait. */
const PATIENCE_MS = 500;
/** When nodes come or go, the numbers of all Services change: so many are told, each time. */
const RECOUNT = { services: 20, everyMs: 200 } as const;

type Condition = NonNullable<NonNullable<Service['status']>['conditions']>[number];

/** Tells of every Service whether all nodes' rules have it as it is, from what their proxies report. */
export function startProgrammed(options: ControllersOptions): void {
  const progress = new Progress();
  const controller = startController({
    ...options,
    name: 'programmed',
    reconcile: (key) => reconcile(options, { key, progress }),
  });
  const lookAtPods = followEndingPods(options, progress);
  followServices(options, { progress, controller });
  followNodes(options, { progress, controller, lookAtPods });
}

interface Parts {
  readonly progress: Progress;
  readonly controller: Controller;
}

function followServices({ informers }: ControllersOptions, { progress, controller }: Parts): void {
  const cache = informers.of(services);
  cache.subscribe((change) => {
    const { object } = change;
    const key = objectKey(object);
    if (change.type === 'deleted') return progress.forget(key);
    if (change.type === 'updated' && isDeepStrictEqual(routedPart(change.old), routedPart(object))) return;
    // What was there before this process was told by those before it; a report may be older than a write of theirs.
    progress.need(key, 'services', cache.synced ? object.metadata.resourceVersion! : '0');
    if (change.type === 'updated') controller.enqueue(key);
    controller.enqueueAfter(key, PATIENCE_MS);
  });
  informers.of(endpointSlices).subscribe(({ object }) => {
    const name = object.metadata.labels?.[SERVICE_NAME];
    if (!name) return;
    const key = `${object.metadata.namespace}/${name}`;
    progress.need(key, 'endpointSlices', object.metadata.resourceVersion!);
    controller.enqueueAfter(key, PATIENCE_MS);
  });
}

function followNodes(
  options: ControllersOptions,
  { progress, controller, lookAtPods }: Parts & { lookAtPods: () => void },
): void {
  const { informers, clock, signal } = options;
  let round = 0;
  const recount = async () => {
    const own = ++round;
    let told = 0;
    for (const key of [...progress.services]) {
      if (own !== round || signal.aborted) return;
      controller.enqueue(key);
      if (++told % RECOUNT.services === 0) await sleep(clock, RECOUNT.everyMs, signal).catch(() => {});
    }
  };
  informers.of(leases, { namespace: NODE_LEASES }).subscribe((change) => {
    const { object } = change;
    const report = change.type === 'deleted' ? undefined : reportOf(object);
    const before = change.type === 'updated' ? reportOf(change.old) : undefined;
    if (isDeepStrictEqual(report, before)) return;
    for (const key of progress.reported(object.metadata.name, report)) controller.enqueue(key);
    for (const key of [...(report?.refused ?? []), ...(before?.refused ?? [])]) controller.enqueue(key);
    if (Boolean(report) !== Boolean(before)) void recount();
    lookAtPods();
  });
  informers.of(nodes).subscribe(({ type, object }) => {
    if (!progress.setAlive(object.metadata.name, type !== 'deleted' && isAlive(object))) return;
    void recount();
    lookAtPods();
  });
}

/** Not known to be silent: a node that is only about to be ready programs its rules already. */
function isAlive({ status }: Node): boolean {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'Unknown';
}

async function reconcile(
  { client, informers, clock }: ControllersOptions,
  { key, progress }: { key: string; progress: Progress },
): Promise<void> {
  const { name, namespace } = splitKey(key);
  const service = informers.of(services).get(name, namespace);
  const count = progress.count(key);
  if (!service || service.metadata.deletionTimestamp || count.of === 0) return;
  const old = service.status?.conditions?.find(({ type }) => type === PROGRAMMED);
  const wanted = programmedCondition(count);
  if (old?.status === wanted.status && old.message === wanted.message && old.reason === wanted.reason) return;
  const lastTransitionTime = old?.status === wanted.status ? old.lastTransitionTime : timestamp(clock.now());
  const body = { status: { conditions: [{ ...wanted, lastTransitionTime }] } };
  await client
    .patch(services, { name, namespace }, { type: 'strategic', body, subresource: 'status' })
    .catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
}

/** The condition as `kubectl wait --for=condition=sampan.dev/Programmed` reads it. Pure. */
export function programmedCondition({ have, of, refused }: Count): Omit<Condition, 'lastTransitionTime'> {
  const message = `${have}/${of} nodes`;
  const shared = { type: PROGRAMMED, message } as const;
  if (refused > 0) return { ...shared, status: 'False', reason: 'RulesRefused' };
  if (have < of) return { ...shared, status: 'False', reason: 'WaitingForNodes' };
  return { ...shared, status: 'True', reason: 'RulesInPlace' };
}
