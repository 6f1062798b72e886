import { deployments } from '../api/kinds/deployment.ts';
import { pods } from '../api/kinds/pod.ts';
import { podDisruptionBudgets } from '../api/kinds/poddisruptionbudget.ts';
import { replicaSets } from '../api/kinds/replicaset.ts';
import { replicationControllers } from '../api/kinds/replicationcontroller.ts';
import { statefulSets } from '../api/kinds/statefulset.ts';
import type { Resource } from '../api/resource.ts';
import { formatLabelSelector, type LabelSelectorObject, selects } from '../api/selectors.ts';
import type { KubeObject, Pod, PodDisruptionBudget } from '../api/types.ts';
import type { RecordedEvent } from '../client/events.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { controllerOf, sameContent } from './common.ts';
import { budgetStatus, EVICTION_MS } from './disruption/status.ts';
import type { ControllersOptions } from './options.ts';

/** Kinds whose `spec.replicas` says how many pods there should be. */
const SCALED = [replicaSets, deployments, replicationControllers, statefulSets] as unknown as readonly Resource[];

/** Says in every PodDisruptionBudget how many of its pods may be evicted now. */
export function startDisruptions(options: ControllersOptions): void {
  const { informers } = options;
  const controller = startController({ ...options, name: 'disruption', reconcile: (key) => reconcile(options, key) });
  const budgetsOf = ({ metadata }: KubeObject) => informers.of(podDisruptionBudgets).list(metadata.namespace);
  informers.of(podDisruptionBudgets).subscribe(({ type, object }) => {
    if (type !== 'deleted') controller.enqueue(objectKey(object));
  });
  informers.of(pods).subscribe((change) => {
    const seen = change.type === 'updated' ? [change.old, change.object] : [change.object];
    for (const budget of budgetsOf(change.object)) {
      if (seen.some((pod) => covers(budget, pod))) controller.enqueue(objectKey(budget));
    }
  });
  for (const resource of SCALED) {
    informers.of(resource).subscribe((change) => {
      const resized = change.type === 'updated' && sizeOf(change.old) !== sizeOf(change.object);
      if (resized) for (const budget of budgetsOf(change.object)) controller.enqueue(objectKey(budget));
    });
  }
}

function sizeOf(object: KubeObject): number {
  return (object as { spec?: { replicas?: number } }).spec?.replicas ?? 1;
}

function covers({ spec }: PodDisruptionBudget, { metadata }: Pod): boolean {
  return selects(spec?.selector as LabelSelectorObject | undefined, metadata.labels);
}

async function reconcile(options: ControllersOptions, key: string): Promise<Outcome> {
  const { informers, client, recorder, clock } = options;
  const { name, namespace } = splitKey(key);
  const caches = [podDisruptionBudgets, pods, ...SCALED].map((kind) => informers.of(kind as Resource));
  await Promise.all(caches.map((cache) => cache.whenSynced()));
  const budget = informers.of(podDisruptionBudgets).get(name, namespace);
  if (!budget) return undefined;
  const selected = informers
    .of(pods)
    .list(namespace)
    .filter((pod) => covers(budget, pod));
  if (selected.length === 0)
    recorder.record(budget, { type: 'Normal', reason: 'NoPods', message: 'No matching pods found' });
  const expectedScale = () => {
    if (selected.some((pod) => !controllerOf(pod))) recorder.record(budget, unmanaged(budget));
    return scaleOf(options, selected);
  };
  const status = budgetStatus(budget, { pods: selected, expectedScale, now: clock.now() });
  // A change that an eviction made meanwhile is a conflict: counting starts anew.
  if (!sameContent(status, { ...budget.status }))
    await client.updateStatus(podDisruptionBudgets, { ...budget, status });
  return status.disruptedPods ? { again: EVICTION_MS } : undefined;
}

/** Pods that nobody wants a number of. */
function unmanaged({ spec }: PodDisruptionBudget): RecordedEvent {
  const selector = formatLabelSelector(spec?.selector as LabelSelectorObject | undefined);
  const message = `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`;
  return { type: 'Warning', reason: 'UnmanagedPods', message };
}

/** How many pods the controllers of `selected` want together. Throws for one whose controller has no size. */
function scaleOf({ informers }: ControllersOptions, selected: readonly Pod[]): number {
  const sizes = new Map<string, number>();
  for (const pod of selected) {
    if (!controllerOf(pod)) continue;
    let owner: KubeObject = pod;
    for (let ref = controllerOf(owner); ref; ref = controllerOf(owner)) {
      const kind = SCALED.find((resource) => resource.kind === ref.kind);
      const found = kind && informers.of(kind).get(ref.name, pod.metadata.namespace);
      if (!found || found.metadata.uid !== ref.uid) break;
      owner = found;
    }
    if (owner === pod) throw new Error(`${controllerOf(pod)!.kind} does not implement the scale subresource`);
    sizes.set(owner.metadata.uid!, sizeOf(owner));
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
