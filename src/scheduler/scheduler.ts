import { isConflict, isNotFound } from '../api/errors.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import { type Informers, objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { type Clock, timestamp } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { chooseNode } from './choose.ts';

export interface SchedulerOptions {
  client: Client;
  informers: Informers;
  recorder: EventRecorder;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

const SCHEDULER_NAME = 'default-scheduler';

/** Binds every pod that has no node yet. */
export function startScheduler(options: SchedulerOptions): void {
  const scheduler = new Scheduler(options);
  const { informers } = options;
  // One pod after the other: each choice counts on those before it.
  const controller = startController({
    ...options,
    name: 'scheduler',
    workers: 1,
    reconcile: (key) => scheduler.schedule(key),
  });
  informers.of(pods).subscribe((change) => {
    scheduler.forget(change.object);
    if (change.type === 'deleted') retryAll();
    else if (!change.object.spec?.nodeName) controller.enqueue(objectKey(change.object));
  });
  informers.of(nodes).subscribe((change) => {
    if (change.type !== 'updated' || schedulingText(change.old) !== schedulingText(change.object)) retryAll();
  });
  function retryAll(): void {
    for (const pod of informers.of(pods).list()) if (!pod.spec?.nodeName) controller.enqueue(objectKey(pod));
  }
}

/** What of a node scheduling depends on: heartbeats are no reason to try again. */
function schedulingText(node: {
  metadata: { labels?: object };
  spec?: object;
  status?: { allocatable?: object };
}): string {
  return JSON.stringify([node.metadata.labels, node.spec, node.status?.allocatable]);
}

class Scheduler {
  readonly #options: SchedulerOptions;
  /** Pods that were bound but that the cache does not show so yet: uid → pod with its node. */
  readonly #assumed = new Map<string, Pod>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  forget(pod: Pod): void {
    if (pod.spec?.nodeName || pod.metadata.deletionTimestamp) this.#assumed.delete(pod.metadata.uid!);
  }

  async schedule(key: string): Promise<void> {
    const { informers, random } = this.#options;
    const { name, namespace } = splitKey(key);
    await Promise.all([informers.of(pods).whenSynced(), informers.of(nodes).whenSynced()]);
    const pod = informers.of(pods).get(name, namespace);
    if (!pod || pod.spec?.nodeName || pod.metadata.deletionTimestamp || this.#assumed.has(pod.metadata.uid!)) return;
    if (pod.spec?.schedulerName !== SCHEDULER_NAME) return;
    const choice = chooseNode({ pod, nodes: informers.of(nodes).list(), bound: this.#bound(), random });
    if ('node' in choice) await this.#bind(pod, choice.node);
    else await this.#fail(pod, choice.message);
  }

  #bound(): Pod[] {
    const known = this.#options.informers.of(pods).list();
    const active = known.filter(
      (pod) => pod.spec?.nodeName && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed',
    );
    return [...active, ...this.#assumed.values()];
  }

  async #bind(pod: Pod, node: string): Promise<void> {
    const { client, recorder } = this.#options;
    const { name, namespace, uid } = pod.metadata;
    this.#assumed.set(uid!, { ...pod, spec: { ...pod.spec!, nodeName: node } });
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    };
    try {
      await client.createSubresource(pods, { name, namespace }, 'binding', binding);
    } catch (error) {
      this.#assumed.delete(uid!);
      if (isNotFound(error) || isConflict(error)) return;
      throw error;
    }
    recorder.record(pod, {
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${namespace}/${name} to ${node}`,
    });
  }

  async #fail(pod: Pod, message: string): Promise<void> {
    const { client, recorder, clock } = this.#options;
    const before = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled');
    if (before?.message === message) return;
    recorder.record(pod, { type: 'Warning', reason: 'FailedScheduling', message });
    const { name, namespace } = pod.metadata;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: timestamp(clock.now()),
    };
    const body = { status: { conditions: [condition] } };
    await client
      .patch(pods, { name, namespace }, { type: 'strategic', body, subresource: 'status' })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }
}
