import { daemonSets } from '../api/kinds/daemonset.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import { selects } from '../api/selectors.ts';
import type { DaemonSet, Node, Pod } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { type Backoff, createBackoff } from '../lib/backoff.ts';
import { type ByController, byController, claim } from './claim.ts';
import { controllerOf, ignoreGone, nextAvailableIn, sameContent } from './common.ts';
import { daemonSetStatus, type Facts, planDaemonSet } from './daemonset/plan.ts';
import { daemonPod, nodeOf } from './daemonset/pod.ts';
import { History, hashOf, REVISION_LABEL, type Versions } from './history.ts';
import type { ControllersOptions } from './options.ts';
import { inRounds, PodControl } from './podcontrol.ts';

const SETTLE_MS = 5000;
/** Pods that one run creates or deletes at most. */
const BURST = 250;

/** Keeps a pod of every DaemonSet on every node that it is for. */
export function startDaemonSets(options: ControllersOptions): void {
  const { informers } = options;
  const reconciler = new Reconciler(options);
  const controller = startController({
    ...options,
    name: 'daemonset',
    workers: 4,
    reconcile: (key) => reconciler.reconcile(key),
  });
  informers.of(daemonSets).subscribe(({ type, object }) => {
    if (type === 'deleted') reconciler.forget(objectKey(object));
    controller.enqueue(objectKey(object));
  });
  informers.of(nodes).subscribe((change) => {
    if (change.type === 'updated' && samePlace(change.old, change.object)) return;
    for (const set of informers.of(daemonSets).list()) controller.enqueue(objectKey(set));
  });
  informers.of(pods).subscribe((change) => {
    const { namespace, labels } = change.object.metadata;
    for (const pod of change.type === 'updated' ? [change.old, change.object] : [change.object]) {
      const owner = controllerOf(pod);
      if (owner?.kind === 'DaemonSet') controller.enqueue(`${namespace}/${owner.name}`);
    }
    if (change.type === 'deleted' || controllerOf(change.object)) return;
    for (const set of informers.of(daemonSets).list(namespace)) {
      if (selects(set.spec?.selector, labels)) controller.enqueue(objectKey(set));
    }
  });
}

/** True when nothing changed that decides where daemons run. */
function samePlace(a: Node, b: Node): boolean {
  const part = ({ metadata, spec }: Node) => [metadata.labels, spec?.taints, spec?.unschedulable];
  return sameContent(part(a), part(b));
}

class Reconciler {
  readonly #options: ControllersOptions;
  readonly #history: History;
  readonly #control: PodControl;
  readonly #pods: ByController<Pod>;
  readonly #failures: Failures;

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#history = new History(options);
    this.#control = new PodControl(options);
    this.#pods = byController(options.informers.of(pods));
    this.#failures = new Failures(options);
  }

  forget(key: string): void {
    this.#history.forget(key);
    this.#control.forget(key);
    this.#failures.forget(key);
  }

  async reconcile(key: string): Promise<Outcome> {
    const { informers, clock } = this.#options;
    const { name, namespace } = splitKey(key);
    const caches = [informers.of(daemonSets), informers.of(pods), informers.of(nodes), this.#history];
    await Promise.all(caches.map((cache) => cache.whenSynced()));
    const set = informers.of(daemonSets).get(name, namespace);
    if (!set || set.metadata.deletionTimestamp) return undefined;
    if (!this.#control.isSettled(key) || !this.#history.isSettled(key)) return { again: SETTLE_MS };
    const mine = await this.#claim(key, set);
    const versions = await this.#history.sync(key, { kind: daemonSets, object: set });
    const hash = hashOf(versions.newest);
    const facts = { nodes: informers.of(nodes).list(), pods: mine, hash, now: clock.now() };
    const { wait, failure } = await this.#apply(key, set, facts);
    await this.#report(set, facts, versions);
    if (failure) throw failure;
    const waits = [wait, nextAvailableIn(mine, set.spec?.minReadySeconds, clock.now())];
    const again = waits.filter((ms) => ms !== undefined);
    return again.length > 0 ? { again: Math.min(...again) } : undefined;
  }

  #claim(key: string, set: DaemonSet): Promise<Pod[]> {
    const ownership = {
      owner: set,
      ownerKind: daemonSets,
      resource: pods,
      matches: (pod: Pod) => selects(set.spec?.selector, pod.metadata.labels),
      wrote: (pod: Pod) => this.#control.wrote(key, pod),
    };
    return claim(this.#options.client, ownership, this.#pods.candidates(set));
  }

  /** `wait`: until a failed pod may be replaced, in ms. */
  async #apply(key: string, set: DaemonSet, facts: Facts): Promise<{ wait?: number | undefined; failure?: Error }> {
    const owner = { kind: daemonSets, object: set };
    const plan = planDaemonSet(set, facts);
    const failed = plan.failed.map((pod) => ({ pod, wait: this.#failures.waitMs(key, nodeOf(pod) ?? '') }));
    const due = failed.filter(({ wait }) => wait <= 0).map(({ pod }) => pod);
    for (const pod of due) this.#recordFailed(set, pod);
    const remove = [...plan.remove, ...due].slice(0, BURST);
    const create = plan.create.slice(0, BURST);
    try {
      await inRounds(create.length, (index) =>
        this.#control.create(key, owner, daemonPod(set, { node: create[index]!, hash: facts.hash })),
      );
      await Promise.all(remove.map((pod) => this.#control.delete(key, owner, pod)));
    } catch (error) {
      return { failure: error as Error };
    }
    const waits = failed.map(({ wait }) => wait).filter((ms) => ms > 0);
    return { wait: waits.length > 0 ? Math.min(...waits) : undefined };
  }

  #recordFailed(set: DaemonSet, pod: Pod): void {
    const { namespace, name } = pod.metadata;
    const message = `Found failed daemon pod ${namespace}/${name} on node ${nodeOf(pod)}, will try to kill it`;
    this.#options.recorder.record(set, { type: 'Warning', reason: 'FailedDaemonPod', message });
  }

  async #report(set: DaemonSet, facts: Facts, versions: Versions): Promise<void> {
    const status = daemonSetStatus(set, { ...facts, collisionCount: versions.collisionCount });
    const { name, namespace } = set.metadata;
    if (!sameContent(status, { ...set.status })) {
      const body = [{ op: 'add', path: '/status', value: status }];
      await this.#options.client
        .patch(daemonSets, { name, namespace }, { type: 'json', body, subresource: 'status' })
        .catch(ignoreGone);
    }
    const inPods = new Set(facts.pods.map((pod) => pod.metadata.labels?.[REVISION_LABEL]));
    const live = versions.all.filter((version) => version === versions.newest || inPods.has(hashOf(version)));
    await this.#history.truncate(
      { kind: daemonSets, object: set },
      versions,
      new Set(live.map((v) => v.metadata.name)),
    );
  }
}

/** When failed pods may be replaced: at once, then after 1 s, 2 s, … 15 min, by set and node. */
class Failures {
  readonly #options: ControllersOptions;
  readonly #byKey = new Map<string, Map<string, { backoff: Backoff; until: number }>>();

  constructor(options: ControllersOptions) {
    this.#options = options;
  }

  /** 0: now, and the next time later. */
  waitMs(key: string, node: string): number {
    const { clock, random } = this.#options;
    const nodesOf = this.#byKey.get(key) ?? new Map<string, { backoff: Backoff; until: number }>();
    this.#byKey.set(key, nodesOf);
    const found = nodesOf.get(node) ?? { backoff: createBackoff({ firstMs: 1000, maxMs: 900_000, random }), until: 0 };
    nodesOf.set(node, found);
    const left = found.until - clock.now();
    if (left > 0) return left;
    found.until = clock.now() + found.backoff.next();
    return 0;
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
