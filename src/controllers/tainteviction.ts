import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import type { Index } from '../client/index-by.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { timestamp } from '../lib/clock.ts';
import { podsByNode } from './claim.ts';
import { ignoreGone, isPodFinished } from './common.ts';
import type { ControllersOptions } from './options.ts';
import { evictionTime } from './tainteviction/time.ts';

/** Ends pods that do not tolerate the NoExecute taints of their node, at once or when their toleration is over. */
export function startTaintEviction(options: ControllersOptions): void {
  const { informers } = options;
  const evictor = new Evictor(options);
  const controller = startController({
    ...options,
    name: 'tainteviction',
    reconcile: (name) => evictor.reconcile(name),
  });
  informers.of(nodes).subscribe(({ type, object }) => {
    if (type === 'deleted') evictor.forget(object.metadata.name);
    controller.enqueue(object.metadata.name);
  });
  informers.of(pods).subscribe((change) => {
    const { spec } = change.object;
    const arrived =
      change.type === 'added' || (change.type === 'updated' && change.old.spec?.nodeName !== spec?.nodeName);
    const tolerates = change.type === 'updated' && change.old.spec?.tolerations?.length !== spec?.tolerations?.length;
    if (spec?.nodeName && (arrived || tolerates)) controller.enqueue(spec.nodeName);
  });
}

class Evictor {
  readonly #options: ControllersOptions;
  readonly #pods: Index<Pod>;
  /** When a taint was first seen that does not tell when it was added, by node and taint; ms since the epoch. */
  readonly #seen = new Map<string, Map<string, number>>();

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#pods = podsByNode(options.informers.of(pods));
  }

  forget(node: string): void {
    this.#seen.delete(node);
  }

  async reconcile(name: string): Promise<Outcome> {
    const { informers, clock } = this.#options;
    await Promise.all([informers.of(nodes).whenSynced(), informers.of(pods).whenSynced()]);
    const taints = (informers.of(nodes).get(name)?.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
    if (taints.length === 0) return this.forget(name);
    const before = this.#seen.get(name);
    const idOf = ({ key, value = '' }: { key: string; value?: string }) => `${key}=${value}`;
    this.#seen.set(name, new Map(taints.map((taint) => [idOf(taint), before?.get(idOf(taint)) ?? clock.now()])));
    const addedAt = (taint: (typeof taints)[number]) =>
      Date.parse(taint.timeAdded ?? '') || this.#seen.get(name)!.get(idOf(taint))!;
    let next = Infinity;
    for (const pod of this.#pods.get(name)) {
      if (pod.metadata.deletionTimestamp || isPodFinished(pod)) continue;
      const due = evictionTime(pod, taints, addedAt);
      if (due <= clock.now()) await this.#evict(pod);
      else next = Math.min(next, due);
    }
    return next === Infinity ? undefined : { again: next - clock.now() };
  }

  async #evict(pod: Pod): Promise<void> {
    const { client, recorder, clock } = this.#options;
    const { name, namespace, uid } = pod.metadata;
    const message = `Marking for deletion Pod ${namespace}/${name}`;
    recorder.record(pod, { type: 'Normal', reason: 'TaintManagerEviction', message });
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastTransitionTime: timestamp(clock.now()),
    };
    const body = { status: { conditions: [condition] } };
    await client.patch(pods, { name, namespace }, { type: 'strategic', body, subresource: 'status' }).catch(ignoreGone);
    await client.delete(pods, { name, namespace }, { preconditions: { uid } }).catch(ignoreGone);
  }
}
