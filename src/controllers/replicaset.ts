import { isConflict, isNotFound } from '../api/errors.ts';
import { pods } from '../api/kinds/pod.ts';
import { replicaSets } from '../api/kinds/replicaset.ts';
import { selects } from '../api/selectors.ts';
import type { Pod, ReplicaSet } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { controllerOf, controllerRef, isPodActive, isPodReady } from './common.ts';
import type { ControllersOptions } from './options.ts';

const BURST = 500;

/** Writes that the cache has not shown yet: nothing more is created or deleted before it has. */
interface Expectation {
  readonly created: Set<string>;
  readonly deleted: Set<string>;
}

/** Keeps as many pods as every ReplicaSet asks for. */
export function startReplicaSets(options: ControllersOptions): void {
  const { informers } = options;
  const expectations = new Map<string, Expectation>();
  const reconciler = new Reconciler(options, expectations);
  const controller = startController({
    ...options,
    name: 'replicaset',
    workers: 8,
    reconcile: (key) => reconciler.reconcile(key),
  });
  informers.of(replicaSets).subscribe((change) => {
    const key = objectKey(change.object);
    if (change.type === 'deleted') expectations.delete(key);
    controller.enqueue(key);
  });
  informers.of(pods).subscribe((change) => {
    const pod = change.object;
    const owner = controllerOf(pod);
    const key = owner?.kind === 'ReplicaSet' ? `${pod.metadata.namespace}/${owner.name}` : undefined;
    if (key) {
      const expected = expectations.get(key);
      if (change.type === 'added') expected?.created.delete(pod.metadata.uid!);
      if (change.type === 'deleted' || pod.metadata.deletionTimestamp) expected?.deleted.delete(pod.metadata.uid!);
      controller.enqueue(key);
    } else if (!owner && change.type !== 'deleted') {
      const orphans = informers.of(replicaSets).list(pod.metadata.namespace);
      for (const set of orphans)
        if (selects(set.spec?.selector, pod.metadata.labels)) controller.enqueue(objectKey(set));
    }
  });
}

class Reconciler {
  readonly #options: ControllersOptions;
  readonly #expectations: Map<string, Expectation>;

  constructor(options: ControllersOptions, expectations: Map<string, Expectation>) {
    this.#options = options;
    this.#expectations = expectations;
  }

  async reconcile(key: string): Promise<void> {
    const { informers } = this.#options;
    const { name, namespace } = splitKey(key);
    await Promise.all([informers.of(replicaSets).whenSynced(), informers.of(pods).whenSynced()]);
    const set = informers.of(replicaSets).get(name, namespace);
    if (!set) return;
    const mine = await this.#claim(set, informers.of(pods).list(namespace));
    if (!set.metadata.deletionTimestamp && this.#isSettled(key)) await this.#scale(key, set, mine.filter(isPodActive));
    await this.#writeStatus(set, mine.filter(isPodActive));
  }

  #isSettled(key: string): boolean {
    const expected = this.#expectations.get(key);
    return !expected || (expected.created.size === 0 && expected.deleted.size === 0);
  }

  /** Own pods; matching orphans are adopted, pods that no longer match are let go. */
  async #claim(set: ReplicaSet, all: readonly Pod[]): Promise<Pod[]> {
    const mine: Pod[] = [];
    for (const pod of all) {
      const owner = controllerOf(pod);
      const matches = selects(set.spec?.selector, pod.metadata.labels);
      if (owner?.uid === set.metadata.uid) {
        if (matches) mine.push(pod);
        else await this.#setOwners(pod, []);
      } else if (!owner && matches && !set.metadata.deletionTimestamp && isPodActive(pod)) {
        await this.#setOwners(pod, [controllerRef(replicaSets, set)]);
        mine.push(pod);
      }
    }
    return mine;
  }

  async #setOwners(pod: Pod, ownerReferences: object[]): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const body = { metadata: { uid, ownerReferences: ownerReferences.length > 0 ? ownerReferences : null } };
    await this.#options.client.patch(pods, { name, namespace }, { type: 'merge', body }).catch(ignoreGone);
  }

  async #scale(key: string, set: ReplicaSet, active: readonly Pod[]): Promise<void> {
    const missing = (set.spec?.replicas ?? 1) - active.length;
    if (missing === 0) return;
    const expected: Expectation = { created: new Set(), deleted: new Set() };
    this.#expectations.set(key, expected);
    if (missing > 0) await this.#create(set, Math.min(missing, BURST), expected);
    else await this.#delete(set, victims(active, -missing).slice(0, BURST), expected);
  }

  async #create(set: ReplicaSet, count: number, expected: Expectation): Promise<void> {
    const { client, informers, recorder } = this.#options;
    const template = set.spec!.template!;
    const make = async () => {
      const { namespace, name } = set.metadata;
      const metadata = {
        ...(template.metadata as object),
        generateName: `${name}-`,
        namespace,
        ownerReferences: [controllerRef(replicaSets, set)],
      };
      const pod = await client.create(pods, { metadata, spec: structuredClone(template.spec!) });
      if (!informers.of(pods).get(pod.metadata.name, namespace)) expected.created.add(pod.metadata.uid!);
      recorder.record(set, {
        type: 'Normal',
        reason: 'SuccessfulCreate',
        message: `Created pod: ${pod.metadata.name}`,
      });
    };
    const results = await Promise.allSettled(Array.from({ length: count }, make));
    const failed = results.find((result) => result.status === 'rejected');
    if (!failed) return;
    const message = `Error creating: ${(failed.reason as Error).message}`;
    recorder.record(set, { type: 'Warning', reason: 'FailedCreate', message });
    throw failed.reason;
  }

  async #delete(set: ReplicaSet, chosen: readonly Pod[], expected: Expectation): Promise<void> {
    const { client, recorder } = this.#options;
    for (const pod of chosen) expected.deleted.add(pod.metadata.uid!);
    const end = async (pod: Pod) => {
      const { name, namespace, uid } = pod.metadata;
      try {
        await client.delete(pods, { name, namespace }, { preconditions: { uid } });
        recorder.record(set, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
      } catch (error) {
        expected.deleted.delete(uid!);
        ignoreGone(error);
      }
    };
    await Promise.all(chosen.map(end));
  }

  async #writeStatus(set: ReplicaSet, active: readonly Pod[]): Promise<void> {
    const status = replicaSetStatus(set, active, this.#options.clock.now());
    if (JSON.stringify(status) === JSON.stringify(pickStatus(set.status))) return;
    const { name, namespace } = set.metadata;
    await this.#options.client
      .patch(replicaSets, { name, namespace }, { type: 'merge', body: { status }, subresource: 'status' })
      .catch(ignoreGone);
  }
}

type Status = NonNullable<ReplicaSet['status']>;

function pickStatus(status: Partial<Status> | undefined): Status {
  const {
    replicas = 0,
    fullyLabeledReplicas = 0,
    readyReplicas = 0,
    availableReplicas = 0,
    observedGeneration,
  } = status ?? {};
  return { replicas, fullyLabeledReplicas, readyReplicas, availableReplicas, observedGeneration };
}

/** Pure. Available: ready for `minReadySeconds`. */
export function replicaSetStatus(set: ReplicaSet, active: readonly Pod[], now: number): Status {
  const ready = active.filter(isPodReady);
  const minReadyMs = (set.spec?.minReadySeconds ?? 0) * 1000;
  const available = ready.filter((pod) => now - readySince(pod) >= minReadyMs);
  const labels = Object.entries(set.spec?.template?.metadata?.labels ?? {});
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => labels.every(([key, value]) => pod.metadata.labels?.[key] === value))
      .length,
    readyReplicas: ready.length,
    availableReplicas: available.length,
    observedGeneration: set.metadata.generation,
  };
}

function readySince(pod: Pod): number {
  return Date.parse(pod.status?.conditions?.find((condition) => condition.type === 'Ready')?.lastTransitionTime ?? '');
}

/** Which pods go first: those without a node, then not ready ones, then the youngest. */
export function victims(active: readonly Pod[], count: number): Pod[] {
  const rank = (pod: Pod) => [pod.spec?.nodeName ? 1 : 0, isPodReady(pod) ? 1 : 0];
  const sorted = active.toSorted((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    if (x[0] !== y[0]) return x[0]! - y[0]!;
    if (x[1] !== y[1]) return x[1]! - y[1]!;
    return (a.metadata.creationTimestamp ?? '') > (b.metadata.creationTimestamp ?? '') ? -1 : 1;
  });
  return sorted.slice(0, count);
}

function ignoreGone(error: unknown): void {
  if (!isNotFound(error) && !isConflict(error)) throw error;
}
