import { pods } from '../api/kinds/pod.ts';
import { replicaSets } from '../api/kinds/replicaset.ts';
import { selects } from '../api/selectors.ts';
import type { OwnerReference, Pod, ReplicaSet } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { PendingWrites } from '../client/pending-writes.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { controllerOf, controllerRef, ignoreGone, isPodActive, sameContent } from './common.ts';
import type { ControllersOptions } from './options.ts';
import { nextAvailableMs, replicaSetStatus } from './replicaset/status.ts';
import { victims } from './replicaset/victims.ts';

/** Pods that one run creates or deletes at most. */
const BURST = 500;
const SETTLE_MS = 5000;

/** Keeps as many pods as every ReplicaSet asks for. */
export function startReplicaSets(options: ControllersOptions): void {
  const { informers } = options;
  const reconciler = new Reconciler(options);
  const controller = startController({
    ...options,
    name: 'replicaset',
    workers: 8,
    reconcile: (key) => reconciler.reconcile(key),
  });
  informers.of(replicaSets).subscribe((change) => {
    const key = objectKey(change.object);
    if (change.type === 'deleted') reconciler.forget(key);
    controller.enqueue(key);
  });
  informers.of(pods).subscribe((change) => {
    for (const pod of change.type === 'updated' ? [change.old, change.object] : [change.object]) {
      const owner = controllerOf(pod);
      if (owner?.kind === 'ReplicaSet') controller.enqueue(`${pod.metadata.namespace}/${owner.name}`);
    }
    if (change.type !== 'deleted' && !controllerOf(change.object)) enqueueAdopters(change.object);
  });
  function enqueueAdopters(orphan: Pod): void {
    for (const set of informers.of(replicaSets).list(orphan.metadata.namespace)) {
      if (selects(set.spec?.selector, orphan.metadata.labels)) controller.enqueue(objectKey(set));
    }
  }
}

class Reconciler {
  readonly #options: ControllersOptions;
  readonly #pending: PendingWrites<Pod>;

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#pending = new PendingWrites(options.informers.of(pods));
  }

  forget(key: string): void {
    this.#pending.forget(key);
  }

  async reconcile(key: string): Promise<Outcome> {
    const { informers, clock } = this.#options;
    const { name, namespace } = splitKey(key);
    await Promise.all([informers.of(replicaSets).whenSynced(), informers.of(pods).whenSynced()]);
    const set = informers.of(replicaSets).get(name, namespace);
    if (!set) return undefined;
    const settled = this.#pending.isSettled(key);
    const active = (await this.#claim(set, informers.of(pods).list(namespace))).filter(isPodActive);
    let failure: Error | undefined;
    if (settled && !set.metadata.deletionTimestamp) {
      failure = await this.#scale(key, set, active).catch((error: Error) => error);
    }
    const now = clock.now();
    await this.#writeStatus(set, replicaSetStatus(set, { active, now, failure: failure?.message }));
    if (failure) throw failure;
    const again = settled ? nextAvailableMs(set, active, now) : SETTLE_MS;
    return again === undefined ? undefined : { again };
  }

  /** Own pods; matching orphans are adopted, pods that no longer match are let go. */
  async #claim(set: ReplicaSet, all: readonly Pod[]): Promise<Pod[]> {
    const mine: Pod[] = [];
    for (const pod of all) {
      const owner = controllerOf(pod);
      if (owner && owner.uid !== set.metadata.uid) continue;
      const matches = selects(set.spec?.selector, pod.metadata.labels);
      const others = (pod.metadata.ownerReferences ?? []).filter((ref) => ref.uid !== set.metadata.uid);
      if (owner) {
        if (matches) mine.push(pod);
        else await this.#setOwners(pod, others);
      } else if (matches && !set.metadata.deletionTimestamp && isPodActive(pod)) {
        await this.#setOwners(pod, [...others, controllerRef(replicaSets, set)]);
        mine.push(pod);
      }
    }
    return mine;
  }

  async #setOwners(pod: Pod, ownerReferences: readonly OwnerReference[]): Promise<void> {
    const { name, namespace, uid, resourceVersion } = pod.metadata;
    const owners = ownerReferences.length > 0 ? ownerReferences : null;
    const body = { metadata: { uid, resourceVersion, ownerReferences: owners } };
    await this.#options.client.patch(pods, { name, namespace }, { type: 'merge', body }).catch(ignoreGone);
  }

  async #scale(key: string, set: ReplicaSet, active: readonly Pod[]): Promise<undefined> {
    const missing = (set.spec?.replicas ?? 1) - active.length;
    if (missing > 0) await this.#createAll(Math.min(missing, BURST), () => this.#create(key, set));
    const chosen = victims(active, Math.min(-missing, BURST));
    await Promise.all(chosen.map((pod) => this.#delete(key, set, pod)));
  }

  /** In rounds of 1, 2, 4, …: what fails for one pod fails for all, and should not be tried for all. */
  async #createAll(count: number, create: () => Promise<void>): Promise<void> {
    for (let done = 0, round = 1; done < count; done += round, round *= 2) {
      const size = Math.min(round, count - done);
      const results = await Promise.allSettled(Array.from({ length: size }, create));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
    }
  }

  async #create(key: string, set: ReplicaSet): Promise<void> {
    const { client, recorder } = this.#options;
    const template = set.spec!.template!;
    const { namespace, name } = set.metadata;
    const metadata = {
      ...(template.metadata as object),
      generateName: `${name}-`,
      namespace,
      ownerReferences: [controllerRef(replicaSets, set)],
    };
    try {
      const pod = await client.create(pods, { metadata, spec: template.spec! });
      this.#pending.wrote(key, pod);
      const message = `Created pod: ${pod.metadata.name}`;
      recorder.record(set, { type: 'Normal', reason: 'SuccessfulCreate', message });
    } catch (error) {
      const message = `Error creating: ${(error as Error).message}`;
      recorder.record(set, { type: 'Warning', reason: 'FailedCreate', message });
      throw error;
    }
  }

  async #delete(key: string, set: ReplicaSet, pod: Pod): Promise<void> {
    const { client, recorder } = this.#options;
    const { name, namespace, uid } = pod.metadata;
    this.#pending.deleting(key, pod);
    try {
      await client.delete(pods, { name, namespace }, { preconditions: { uid } });
      recorder.record(set, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
    } catch (error) {
      this.#pending.notDeleting(key, pod);
      ignoreGone(error);
    }
  }

  async #writeStatus(set: ReplicaSet, status: object): Promise<void> {
    if (sameContent(status, { ...set.status })) return;
    const { name, namespace } = set.metadata;
    const body = [{ op: 'add', path: '/status', value: status }];
    await this.#options.client
      .patch(replicaSets, { name, namespace }, { type: 'json', body, subresource: 'status' })
      .catch(ignoreGone);
  }
}
