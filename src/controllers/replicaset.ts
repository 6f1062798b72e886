import { pods } from '../api/kinds/pod.ts';
import { replicaSets } from '../api/kinds/replicaset.ts';
import { replicationControllers } from '../api/kinds/replicationcontroller.ts';
import type { Resource } from '../api/resource.ts';
import { type LabelSelectorObject, matchesLabels, selectorRequirements, selects } from '../api/selectors.ts';
import type { Pod, ReplicaSet } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { type ByController, byController, claim } from './claim.ts';
import { controllerOf, ignoreGone, isPodActive, nextAvailableIn, sameContent } from './common.ts';
import type { ControllersOptions } from './options.ts';
import { inRounds, PodControl, podFromTemplate } from './podcontrol.ts';
import { replicaSetStatus } from './replicaset/status.ts';
import { victims } from './replicaset/victims.ts';

/** Pods that one run creates or deletes at most. */
const BURST = 500;
const SETTLE_MS = 5000;

/** A kind that keeps a number of pods: ReplicaSet, or ReplicationController, whose selector is a plain map. */
interface Replicating {
  readonly name: string;
  readonly kind: Resource<ReplicaSet>;
  readonly selectorOf: (set: ReplicaSet) => LabelSelectorObject | undefined;
  /** Has `status.terminatingReplicas`. */
  readonly tellsTerminating: boolean;
}

/** Keeps as many pods as every ReplicaSet asks for. */
export function startReplicaSets(options: ControllersOptions): void {
  start(options, {
    name: 'replicaset',
    kind: replicaSets,
    selectorOf: (set) => set.spec?.selector,
    tellsTerminating: true,
  });
}

/** The same for ReplicationControllers, whose rows differ in their selector alone. */
export function startReplicationControllers(options: ControllersOptions): void {
  const kind = replicationControllers as unknown as Resource<ReplicaSet>;
  const selectorOf = (set: ReplicaSet) => ({ matchLabels: set.spec?.selector as unknown as Record<string, string> });
  start(options, { name: 'replicationcontroller', kind, selectorOf, tellsTerminating: false });
}

function start(options: ControllersOptions, replicating: Replicating): void {
  const { informers } = options;
  const { name, kind, selectorOf } = replicating;
  const reconciler = new Reconciler(options, replicating);
  const controller = startController({
    ...options,
    name,
    workers: 8,
    reconcile: (key) => reconciler.reconcile(key),
  });
  informers.of(kind).subscribe((change) => {
    const key = objectKey(change.object);
    if (change.type === 'deleted') reconciler.forget(key);
    controller.enqueue(key);
  });
  informers.of(pods).subscribe((change) => {
    for (const pod of change.type === 'updated' ? [change.old, change.object] : [change.object]) {
      const owner = controllerOf(pod);
      if (owner?.kind === kind.kind) controller.enqueue(`${pod.metadata.namespace}/${owner.name}`);
    }
    if (change.type !== 'deleted' && !controllerOf(change.object)) enqueueAdopters(change.object);
  });
  function enqueueAdopters(orphan: Pod): void {
    for (const set of informers.of(kind).list(orphan.metadata.namespace)) {
      if (selects(selectorOf(set), orphan.metadata.labels)) controller.enqueue(objectKey(set));
    }
  }
}

class Reconciler {
  readonly #options: ControllersOptions;
  readonly #replicating: Replicating;
  readonly #control: PodControl;
  readonly #pods: ByController<Pod>;
  readonly #sets: ByController<ReplicaSet>;

  constructor(options: ControllersOptions, replicating: Replicating) {
    this.#options = options;
    this.#replicating = replicating;
    this.#control = new PodControl(options);
    this.#pods = byController(options.informers.of(pods));
    this.#sets = byController(options.informers.of(replicating.kind));
  }

  forget(key: string): void {
    this.#control.forget(key);
  }

  async reconcile(key: string): Promise<Outcome> {
    const { informers, clock } = this.#options;
    const { name, namespace } = splitKey(key);
    const cache = informers.of(this.#replicating.kind);
    await Promise.all([cache.whenSynced(), informers.of(pods).whenSynced()]);
    const set = cache.get(name, namespace);
    if (!set) return undefined;
    const settled = this.#control.isSettled(key);
    const mine = await this.#claim(key, set);
    const active = mine.filter(isPodActive);
    let failure: Error | undefined;
    if (settled && !set.metadata.deletionTimestamp) {
      failure = await this.#scale(key, set, active).catch((error: Error) => error);
    }
    const now = clock.now();
    await this.#writeStatus(
      set,
      replicaSetStatus(set, {
        active,
        mine: this.#replicating.tellsTerminating ? mine : active,
        now,
        failure: failure?.message,
      }),
    );
    if (failure) throw failure;
    const again = settled ? nextAvailableIn(active, set.spec?.minReadySeconds, now) : SETTLE_MS;
    return again === undefined ? undefined : { again };
  }

  #claim(key: string, set: ReplicaSet): Promise<Pod[]> {
    const { kind, selectorOf } = this.#replicating;
    const selector = selectorOf(set);
    // Thousands of pods are asked by one set.
    const requirements = selector && selectorRequirements(selector);
    const ownership = {
      owner: set,
      ownerKind: kind,
      resource: pods,
      matches: (pod: Pod) => requirements !== undefined && matchesLabels(requirements, pod.metadata.labels),
      adoptable: isPodActive,
      wrote: (pod: Pod) => this.#control.wrote(key, pod),
    };
    return claim(this.#options.client, ownership, this.#pods.candidates(set));
  }

  async #scale(key: string, set: ReplicaSet, active: readonly Pod[]): Promise<undefined> {
    const owner = { kind: this.#replicating.kind, object: set };
    const missing = (set.spec?.replicas ?? 1) - active.length;
    await inRounds(Math.min(missing, BURST), () =>
      this.#control.create(key, owner, podFromTemplate(owner, set.spec!.template)),
    );
    if (missing >= 0) return undefined;
    const chosen = victims(active, Math.min(-missing, BURST), this.#related(set, active));
    await Promise.all(chosen.map((pod) => this.#control.delete(key, owner, pod)));
    return undefined;
  }

  /** Active pods of all sets under the same Deployment: what is crowded is a node with many of them. */
  #related(set: ReplicaSet, active: readonly Pod[]): readonly Pod[] {
    const above = controllerOf(set);
    if (!above) return active;
    const siblings = this.#sets.owned(above.uid).map(({ metadata }) => metadata.uid!);
    return siblings.flatMap((uid) => this.#pods.owned(uid)).filter(isPodActive);
  }

  async #writeStatus(set: ReplicaSet, status: object): Promise<void> {
    if (sameContent(status, { ...set.status })) return;
    const { name, namespace } = set.metadata;
    const body = [{ op: 'add', path: '/status', value: status }];
    await this.#options.client
      .patch(this.#replicating.kind, { name, namespace }, { type: 'json', body, subresource: 'status' })
      .catch(ignoreGone);
  }
}
