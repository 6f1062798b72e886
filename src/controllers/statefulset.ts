import { isAlreadyExists } from '../api/errors.ts';
import { persistentVolumeClaims } from '../api/kinds/persistentvolumeclaim.ts';
import { pods } from '../api/kinds/pod.ts';
import { statefulSets } from '../api/kinds/statefulset.ts';
import { selects } from '../api/selectors.ts';
import type { Pod, StatefulSet } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { PendingWrites } from '../client/pending-writes.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { type ByController, byController, claim } from './claim.ts';
import { controllerOf, ignoreGone, nextAvailableIn, sameContent } from './common.ts';
import { History, REVISION_LABEL, templateOf, type Versions } from './history.ts';
import type { ControllersOptions } from './options.ts';
import type { PodTemplate } from './podcontrol.ts';
import { ordinalOf, type Plan, partitionOf, planStatefulSet } from './statefulset/plan.ts';
import { claimNames, claimOwners, isClaimOwner, statefulClaims, statefulPod } from './statefulset/pod.ts';
import { statefulSetStatus } from './statefulset/status.ts';

const SETTLE_MS = 5000;

/** Keeps the pods of every StatefulSet, each with a name and claims of its own. */
export function startStatefulSets(options: ControllersOptions): void {
  const { informers } = options;
  const reconciler = new Reconciler(options);
  const controller = startController({
    ...options,
    name: 'statefulset',
    workers: 8,
    reconcile: (key) => reconciler.reconcile(key),
  });
  informers.of(statefulSets).subscribe(({ type, object }) => {
    if (type === 'deleted') reconciler.forget(objectKey(object));
    controller.enqueue(objectKey(object));
  });
  informers.of(pods).subscribe((change) => {
    const { namespace, labels } = change.object.metadata;
    for (const pod of change.type === 'updated' ? [change.old, change.object] : [change.object]) {
      const owner = controllerOf(pod);
      if (owner?.kind === 'StatefulSet') controller.enqueue(`${namespace}/${owner.name}`);
    }
    if (change.type === 'deleted' || controllerOf(change.object)) return;
    for (const set of informers.of(statefulSets).list(namespace)) {
      if (selects(set.spec?.selector, labels)) controller.enqueue(objectKey(set));
    }
  });
}

/** One set with what is known of it. */
interface Case {
  readonly key: string;
  readonly set: StatefulSet;
  readonly mine: readonly Pod[];
  readonly versions: Versions;
  /** Names of revisions. */
  readonly currentRevision: string;
  readonly updateRevision: string;
}

class Reconciler {
  readonly #options: ControllersOptions;
  readonly #history: History;
  readonly #pending: PendingWrites<Pod>;
  readonly #pods: ByController<Pod>;

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#history = new History(options);
    this.#pending = new PendingWrites(options.informers.of(pods));
    this.#pods = byController(options.informers.of(pods));
    options.informers.of(persistentVolumeClaims);
  }

  forget(key: string): void {
    this.#pending.forget(key);
    this.#history.forget(key);
  }

  async reconcile(key: string): Promise<Outcome> {
    const { informers, clock } = this.#options;
    const { name, namespace } = splitKey(key);
    const caches = [
      informers.of(statefulSets),
      informers.of(pods),
      informers.of(persistentVolumeClaims),
      this.#history,
    ];
    await Promise.all(caches.map((cache) => cache.whenSynced()));
    const set = informers.of(statefulSets).get(name, namespace);
    if (!set || set.metadata.deletionTimestamp) return undefined;
    if (!this.#pending.isSettled(key) || !this.#history.isSettled(key)) return { again: SETTLE_MS };
    const at = await this.#look(key, set);
    const plan = planStatefulSet(set, { pods: at.mine, updateRevision: at.updateRevision, now: clock.now() });
    const failure = await this.#apply(at, plan).catch((error: Error) => error);
    await this.#report(at);
    if (failure) throw failure;
    const again = nextAvailableIn(at.mine, set.spec?.minReadySeconds, clock.now());
    return again === undefined ? undefined : { again };
  }

  async #look(key: string, set: StatefulSet): Promise<Case> {
    const ownership = {
      owner: set,
      ownerKind: statefulSets,
      resource: pods,
      matches: (pod: Pod) => selects(set.spec?.selector, pod.metadata.labels) && ordinalOf(set, pod) !== undefined,
      wrote: (pod: Pod) => this.#pending.wrote(key, pod),
    };
    const mine = await claim(this.#options.client, ownership, this.#pods.candidates(set));
    const versions = await this.#history.sync(key, { kind: statefulSets, object: set });
    const updateRevision = versions.newest.metadata.name;
    const known = versions.all.some(({ metadata }) => metadata.name === set.status?.currentRevision);
    return {
      key,
      set,
      mine,
      versions,
      currentRevision: known ? set.status!.currentRevision! : updateRevision,
      updateRevision,
    };
  }

  async #apply(at: Case, plan: Plan): Promise<undefined> {
    await this.#keepClaimOwners(at);
    for (const ordinal of plan.create) await this.#create(at, ordinal);
    for (const pod of plan.remove) await this.#remove(at, pod);
  }

  async #create(at: Case, ordinal: number): Promise<void> {
    const { set, key } = at;
    await this.#createClaims(set, ordinal);
    const { template, revision } = templateFor(at, ordinal);
    const pod = statefulPod(set, { ordinal, template, revision });
    const what = `create Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
    try {
      this.#pending.wrote(key, await this.#options.client.create(pods, pod));
      this.#record(set, 'SuccessfulCreate', `${what} successful`);
    } catch (error) {
      this.#record(set, 'FailedCreate', `${what} failed error: ${(error as Error).message}`);
      throw error;
    }
  }

  async #createClaims(set: StatefulSet, ordinal: number): Promise<void> {
    const { client, informers } = this.#options;
    for (const wanted of statefulClaims(set, ordinal)) {
      const { name, namespace } = wanted.metadata as { name: string; namespace: string };
      const present = informers.of(persistentVolumeClaims).get(name, namespace);
      if (present?.metadata.deletionTimestamp) throw new Error(`claim ${name} is being deleted`);
      if (present) continue;
      const what = `create Claim ${name} Pod ${set.metadata.name}-${ordinal} in StatefulSet ${set.metadata.name}`;
      try {
        await client.create(persistentVolumeClaims, wanted);
        this.#record(set, 'SuccessfulCreate', `${what} success`);
      } catch (error) {
        if (isAlreadyExists(error)) continue;
        this.#record(set, 'FailedCreate', `${what} failed error: ${(error as Error).message}`);
        throw error;
      }
    }
  }

  async #remove({ set, key }: Case, pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    this.#pending.deleting(key, pod);
    try {
      await this.#options.client.delete(pods, { name, namespace }, { preconditions: { uid } });
      this.#record(set, 'SuccessfulDelete', `delete Pod ${name} in StatefulSet ${set.metadata.name} successful`);
    } catch (error) {
      this.#pending.notDeleting(key, pod);
      ignoreGone(error);
    }
  }

  /** Before a pod goes: whether its claims go with it. */
  async #keepClaimOwners({ set, mine }: Case): Promise<void> {
    const { client, informers } = this.#options;
    for (const pod of mine) {
      const owners = claimOwners(set, pod);
      for (const name of claimNames(set, ordinalOf(set, pod)!)) {
        const present = informers.of(persistentVolumeClaims).get(name, set.metadata.namespace);
        if (!present) continue;
        const before = present.metadata.ownerReferences ?? [];
        const wanted = [...before.filter((ref) => !isClaimOwner(set, ref)), ...owners];
        if (sameContent(before, wanted)) continue;
        const metadata = {
          resourceVersion: present.metadata.resourceVersion,
          ownerReferences: wanted.length > 0 ? wanted : null,
        };
        const key = { name, namespace: set.metadata.namespace };
        await client.patch(persistentVolumeClaims, key, { type: 'merge', body: { metadata } }).catch(ignoreGone);
      }
    }
  }

  async #report(at: Case): Promise<void> {
    const { set, mine, versions } = at;
    const status = statefulSetStatus(set, {
      ...at,
      pods: mine,
      collisionCount: versions.collisionCount,
      now: this.#options.clock.now(),
    });
    const { name, namespace } = set.metadata;
    if (!sameContent(status, { ...set.status })) {
      const body = [{ op: 'add', path: '/status', value: status }];
      await this.#options.client
        .patch(statefulSets, { name, namespace }, { type: 'json', body, subresource: 'status' })
        .catch(ignoreGone);
    }
    const inPods = mine.map((pod) => pod.metadata.labels?.[REVISION_LABEL] ?? '');
    const live = new Set([status.currentRevision!, status.updateRevision!, ...inPods]);
    await this.#history.truncate({ kind: statefulSets, object: set }, versions, live);
  }

  #record(set: StatefulSet, reason: string, message: string): void {
    const type = reason.startsWith('Failed') ? 'Warning' : 'Normal';
    this.#options.recorder.record(set, { type, reason, message });
  }
}

/** Below the partition a pod is made from the revision that the others there have. */
function templateFor(
  { set, versions, currentRevision, updateRevision }: Case,
  ordinal: number,
): { template: PodTemplate; revision: string } {
  const current = versions.all.find(({ metadata }) => metadata.name === currentRevision);
  if (ordinal >= partitionOf(set) || !current) return { template: set.spec!.template, revision: updateRevision };
  return { template: templateOf(current), revision: currentRevision };
}
