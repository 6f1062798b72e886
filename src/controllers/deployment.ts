import { isAlreadyExists } from '../api/errors.ts';
import { deployments } from '../api/kinds/deployment.ts';
import { pods } from '../api/kinds/pod.ts';
import { replicaSets } from '../api/kinds/replicaset.ts';
import { selects } from '../api/selectors.ts';
import type { Deployment, Pod, ReplicaSet } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { PendingWrites } from '../client/pending-writes.ts';
import { type Controller, type Outcome, startController } from '../client/reconcile.ts';
import { type ByController, byController, claim } from './claim.ts';
import { controllerOf, ignoreGone, isPodFinished, sameContent } from './common.ts';
import {
  isScaling,
  planRollout,
  planScaling,
  type Resize,
  type RolloutSets,
  rollingLimits,
} from './deployment/plan.ts';
import {
  findCurrent,
  hasTemplate,
  newSet,
  nextRevision,
  REVISION,
  revisionOf,
  setAnnotations,
  sizeAnnotations,
} from './deployment/sets.ts';
import { deadlineMs, deploymentStatus, isComplete, type NewSetEvent } from './deployment/status.ts';
import type { ControllersOptions } from './options.ts';

const SETTLE_MS = 5000;

/** Moves every Deployment's pods to its newest template. */
export function startDeployments(options: ControllersOptions): void {
  const { informers } = options;
  const reconciler = new Reconciler(options);
  const controller = startController({
    ...options,
    name: 'deployment',
    workers: 8,
    reconcile: (key) => reconciler.reconcile(key),
  });
  informers.of(deployments).subscribe(({ type, object }) => {
    if (type === 'deleted') reconciler.forget(objectKey(object));
    controller.enqueue(objectKey(object));
  });
  followSets(options, controller);
  // The last pod of an old template makes room for the new one (Recreate).
  informers.of(pods).subscribe(({ type, object }) => {
    if (type === 'added') return;
    const key = deploymentOf(options, object);
    if (key !== undefined && reconciler.isRecreated(key)) controller.enqueue(key);
  });
}

function deploymentOf({ informers }: ControllersOptions, pod: Pod): string | undefined {
  const { namespace } = pod.metadata;
  const owner = controllerOf(pod);
  const set = owner?.kind === 'ReplicaSet' ? informers.of(replicaSets).get(owner.name, namespace) : undefined;
  const deployment = set && controllerOf(set);
  return deployment?.kind === 'Deployment' ? `${namespace}/${deployment.name}` : undefined;
}

function followSets({ informers }: ControllersOptions, controller: Controller): void {
  informers.of(replicaSets).subscribe((change) => {
    const { namespace } = change.object.metadata;
    for (const set of change.type === 'updated' ? [change.old, change.object] : [change.object]) {
      const owner = controllerOf(set);
      if (owner?.kind === 'Deployment') controller.enqueue(`${namespace}/${owner.name}`);
    }
    if (change.type === 'deleted' || controllerOf(change.object)) return;
    for (const deployment of informers.of(deployments).list(namespace)) {
      if (selects(deployment.spec?.selector, change.object.metadata.labels)) controller.enqueue(objectKey(deployment));
    }
  });
}

class Reconciler {
  readonly #options: ControllersOptions;
  readonly #pending: PendingWrites<ReplicaSet>;
  readonly #sets: ByController<ReplicaSet>;
  readonly #pods;

  constructor(options: ControllersOptions) {
    const { informers } = options;
    this.#options = options;
    this.#pending = new PendingWrites(informers.of(replicaSets));
    this.#sets = byController(informers.of(replicaSets));
    this.#pods = byController(informers.of(pods));
  }

  forget(key: string): void {
    this.#pending.forget(key);
  }

  isRecreated(key: string): boolean {
    const { name, namespace } = splitKey(key);
    return this.#options.informers.of(deployments).get(name, namespace)?.spec?.strategy?.type === 'Recreate';
  }

  async reconcile(key: string): Promise<Outcome> {
    const { informers, client } = this.#options;
    const { name, namespace } = splitKey(key);
    const caches = [informers.of(deployments), informers.of(replicaSets), informers.of(pods)];
    await Promise.all(caches.map((cache) => cache.whenSynced()));
    const deployment = informers.of(deployments).get(name, namespace);
    if (!deployment) return undefined;
    if (!this.#pending.isSettled(key)) return { again: SETTLE_MS };
    const ownership = {
      owner: deployment,
      ownerKind: deployments,
      resource: replicaSets,
      matches: (set: ReplicaSet) => selects(deployment.spec?.selector, set.metadata.labels),
      wrote: (set: ReplicaSet) => this.#pending.wrote(key, set),
    };
    const owned = await claim(client, ownership, this.#sets.candidates(deployment));
    const current = findCurrent(deployment, owned);
    return this.#sync(key, deployment, { current, others: owned.filter((set) => set !== current) });
  }

  async #sync(key: string, deployment: Deployment, sets: RolloutSets): Promise<Outcome> {
    let event: NewSetEvent | undefined;
    if (deployment.metadata.deletionTimestamp) return this.#report(deployment, { sets });
    if (sets.current) {
      await this.#keepRevision(key, deployment, sets.current, sets.others);
      event = { type: 'found', name: sets.current.metadata.name };
    }
    if (deployment.spec?.paused || isScaling(deployment, sets)) {
      await this.#resizeAll(key, deployment, planScaling(deployment, sets));
      return this.#report(deployment, { sets, event });
    }
    const step = planRollout(deployment, sets, this.#running(sets.others));
    await this.#resizeAll(key, deployment, step.resize);
    if (step.create !== undefined) return this.#create(key, deployment, { sets, replicas: step.create });
    const outcome = await this.#report(deployment, { sets, event });
    if (deployment.status && isComplete(deployment, deployment.status))
      await this.#dropHistory(deployment, sets.others);
    return outcome;
  }

  #running(sets: readonly ReplicaSet[]): number {
    const all = sets.flatMap((set) => this.#pods.owned(set.metadata.uid!));
    return all.filter((pod) => !isPodFinished(pod)).length;
  }

  /** The newest set carries the highest revision, the Deployment's annotations, and `minReadySeconds`; the Deployment, that revision. */
  async #keepRevision(
    key: string,
    deployment: Deployment,
    set: ReplicaSet,
    others: readonly ReplicaSet[],
  ): Promise<void> {
    const { client } = this.#options;
    const { name, namespace } = set.metadata;
    const annotations = setAnnotations(deployment, { old: set.metadata.annotations, revision: nextRevision(others) });
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
    const same = sameContent(annotations, set.metadata.annotations ?? {});
    if (!same || (set.spec?.minReadySeconds ?? 0) !== minReadySeconds) {
      const body = { metadata: { annotations }, spec: { minReadySeconds } };
      this.#pending.wrote(key, await client.patch(replicaSets, { name, namespace }, { type: 'merge', body }));
    }
    await this.#setRevision(deployment, annotations[REVISION]!);
  }

  async #setRevision({ metadata }: Deployment, revision: string): Promise<void> {
    if (metadata.annotations?.[REVISION] === revision) return;
    const { name, namespace } = metadata;
    const body = { metadata: { annotations: { [REVISION]: revision } } };
    await this.#options.client.patch(deployments, { name, namespace }, { type: 'merge', body }).catch(ignoreGone);
  }

  async #create(
    key: string,
    deployment: Deployment,
    { sets, replicas }: { sets: RolloutSets; replicas: number },
  ): Promise<Outcome> {
    const revision = nextRevision(sets.others);
    const annotations = {
      ...setAnnotations(deployment, { revision }),
      ...sizeAnnotations(deployment.spec?.replicas ?? 1, rollingLimits(deployment).maxSurge),
    };
    const wanted = newSet(deployment, { replicas, annotations });
    try {
      const made = await this.#options.client.create(replicaSets, wanted);
      this.#pending.wrote(key, made);
      if (replicas > 0) this.#recordScaling(deployment, { set: made, replicas }, 0);
      await this.#setRevision(deployment, String(revision));
      return this.#report(deployment, { sets, event: { type: 'created', name: made.metadata.name } });
    } catch (error) {
      if (isAlreadyExists(error)) return this.#collided(deployment, { sets, name: wanted.metadata.name! });
      const { message } = error as Error;
      await this.#report(deployment, { sets, event: { type: 'failed', message } });
      this.#record(
        deployment,
        'Warning',
        'ReplicaSetCreateError',
        `Failed to create new replica set "${wanted.metadata.name}": ${message}`,
      );
      throw error;
    }
  }

  /** The name is taken: by a set of our own that the cache does not show, or by a stranger, which asks for another hash. */
  async #collided(deployment: Deployment, { sets, name }: { sets: RolloutSets; name: string }): Promise<Outcome> {
    const { namespace, uid } = deployment.metadata;
    const found = await this.#options.client.get(replicaSets, { name, namespace });
    if (controllerOf(found)?.uid === uid && hasTemplate(found, deployment)) return { again: SETTLE_MS };
    return this.#report(deployment, { sets, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 });
  }

  async #resizeAll(key: string, deployment: Deployment, plan: readonly Resize[]): Promise<void> {
    for (const resize of plan) await this.#resize(key, deployment, resize);
  }

  async #resize(key: string, deployment: Deployment, resize: Resize): Promise<void> {
    const { set, replicas } = resize;
    const { name, namespace, annotations = {} } = set.metadata;
    const from = set.spec?.replicas ?? 0;
    const sizes = sizeAnnotations(deployment.spec?.replicas ?? 1, rollingLimits(deployment).maxSurge);
    const told = Object.entries(sizes).every(([name, value]) => annotations[name] === value);
    if (from === replicas && told) return;
    const body = { metadata: { annotations: sizes }, spec: { replicas } };
    const written = await this.#options.client.patch(replicaSets, { name, namespace }, { type: 'merge', body });
    this.#pending.wrote(key, written);
    if (from !== replicas) this.#recordScaling(deployment, resize, from);
  }

  #recordScaling(deployment: Deployment, { set, replicas }: Resize, from: number): void {
    const way = replicas > from ? 'up' : 'down';
    const message = `Scaled ${way} replica set ${set.metadata.name} from ${from} to ${replicas}`;
    this.#record(deployment, 'Normal', 'ScalingReplicaSet', message);
  }

  #record(deployment: Deployment, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#options.recorder.record(deployment, { type, reason, message });
  }

  async #dropHistory(deployment: Deployment, others: readonly ReplicaSet[]): Promise<void> {
    for (const { metadata } of surplusHistory(deployment, others)) {
      const { name, namespace, uid } = metadata;
      const options = { preconditions: { uid } };
      await this.#options.client.delete(replicaSets, { name, namespace }, options).catch(ignoreGone);
    }
  }

  async #report(
    deployment: Deployment,
    facts: { sets: RolloutSets; event?: NewSetEvent | undefined; collisionCount?: number },
  ): Promise<Outcome> {
    const now = this.#options.clock.now();
    const status = deploymentStatus(deployment, { ...facts.sets, ...facts, now });
    if (!sameContent(status, { ...deployment.status })) await this.#writeStatus(deployment, status);
    const again = deadlineMs(deployment, status, now);
    return again === undefined ? undefined : { again };
  }

  async #writeStatus({ metadata }: Deployment, status: object): Promise<void> {
    const { name, namespace } = metadata;
    const body = [{ op: 'add', path: '/status', value: status }];
    await this.#options.client
      .patch(deployments, { name, namespace }, { type: 'json', body, subresource: 'status' })
      .catch(ignoreGone);
  }
}

/** Empty old sets beyond `revisionHistoryLimit`, the oldest revisions first. */
export function surplusHistory(deployment: Deployment, others: readonly ReplicaSet[]): ReplicaSet[] {
  const empty = others.filter(
    ({ spec, status, metadata }) =>
      (spec?.replicas ?? 0) === 0 &&
      (status?.replicas ?? 0) === 0 &&
      (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
      !metadata.deletionTimestamp,
  );
  const surplus = Math.max(0, empty.length - (deployment.spec?.revisionHistoryLimit ?? 10));
  return empty.toSorted((a, b) => revisionOf(a) - revisionOf(b)).slice(0, surplus);
}
