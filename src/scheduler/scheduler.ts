import { isConflict, isNotFound } from '../api/errors.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { Informers } from '../client/informer.ts';
import { type Clock, timestamp } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { chooseNode, type Nomination } from './choose.ts';
import { ClusterState } from './cluster-state.ts';
import { evict } from './evict.ts';
import { budgetsOf, clusterStateSources, followCluster } from './follow.ts';
import type { Filter } from './misfit.ts';
import { type PodInfo, toPodInfo } from './pod-info.ts';
import { findPreemption, type Preemption } from './preempt.ts';
import { SchedulingQueue } from './queue.ts';
import { VolumeBinder } from './volumes.ts';

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
/** Bindings on their way at once. */
const BINDINGS_MAX = 64;
/** How long other work of the process waits for scheduling, about. */
const SLICE_MS = 8;

/** Binds every pod that has no node yet: one decision after the other, each counting on those before it. */
export function startScheduler(options: SchedulerOptions): void {
  const scheduler = new Scheduler(options);
  void scheduler.run();
}

/** What {@link followCluster} tells a scheduler. */
export interface SchedulerEvents {
  /** A pod came or changed. */
  seen(pod: Pod): void;
  gone(pod: Pod): void;
}

class Scheduler implements SchedulerEvents {
  readonly #options: SchedulerOptions;
  readonly #state: ClusterState;
  readonly #queue: SchedulingQueue;
  readonly #volumes: VolumeBinder;
  readonly #nominations = new Map<string, Nomination>();
  /** Pods whose binding is on its way. */
  readonly #binding = new Set<string>();
  #wake: () => void = () => {};
  /** Counts what may have helped a pod, so that nothing is missed while it is decided on. */
  #changes = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#state = new ClusterState(clusterStateSources(options.informers));
    this.#queue = new SchedulingQueue({ clock: options.clock, onReady: () => this.#wake() });
    this.#volumes = new VolumeBinder(options);
    options.signal.addEventListener('abort', () => {
      this.#queue.stop();
      this.#wake();
    });
  }

  async run(): Promise<void> {
    const { signal, clock } = this.#options;
    const retry = (concerns?: (info: PodInfo) => boolean) => {
      this.#changes++;
      this.#queue.wake(concerns);
    };
    await followCluster({ ...this.#options, state: this.#state, events: this, retry });
    let sliceEnd = clock.now() + SLICE_MS;
    while (!signal.aborted) {
      const info = this.#binding.size < BINDINGS_MAX ? this.#queue.pop() : undefined;
      if (!info) await new Promise<void>((resolve) => (this.#wake = resolve));
      else this.#schedule(info);
      if (info && clock.now() < sliceEnd) continue;
      await new Promise<void>((resolve) => setImmediate(resolve));
      sliceEnd = clock.now() + SLICE_MS;
    }
  }

  seen(pod: Pod): void {
    const uid = pod.metadata.uid!;
    if (pod.spec?.nodeName) return this.#counted(pod, pod.spec.nodeName);
    if (this.#binding.has(uid)) return;
    if (
      pod.spec?.schedulerName !== SCHEDULER_NAME ||
      pod.metadata.deletionTimestamp ||
      pod.spec.schedulingGates?.length
    ) {
      this.#queue.delete(uid);
      return;
    }
    const info = toPodInfo(pod);
    const nominated = pod.status?.nominatedNodeName;
    if (nominated) this.#nominations.set(uid, { info, node: nominated });
    this.#queue.add(info);
  }

  #counted(pod: Pod, node: string): void {
    const uid = pod.metadata.uid!;
    this.#queue.delete(uid);
    this.#nominations.delete(uid);
    const { phase } = pod.status ?? {};
    if (phase === 'Succeeded' || phase === 'Failed') this.#state.removePod(uid);
    else this.#state.addPod(toPodInfo(pod), node);
  }

  gone(pod: Pod): void {
    const uid = pod.metadata.uid!;
    this.#queue.delete(uid);
    this.#nominations.delete(uid);
    this.#state.removePod(uid);
  }

  #schedule(info: PodInfo): void {
    const volumes = this.#volumes.filter(info.pod);
    const { random } = this.#options;
    const changes = this.#changes;
    const choice = chooseNode({ info, state: this.#state, nominations: this.#nominations.values(), volumes, random });
    if ('node' in choice) {
      this.#binding.add(info.uid);
      this.#state.addPod(info, choice.node);
      void this.#bind(info, choice.node);
      return;
    }
    const filter = volumes as Filter | undefined;
    const budgets = budgetsOf(this.#options.informers);
    const preemption = findPreemption({ info, state: this.#state, misfits: choice.misfits, budgets, volumes: filter });
    const nominated = 'node' in preemption ? preemption.node : undefined;
    if (nominated) this.#nominations.set(info.uid, { info, node: nominated });
    else this.#nominations.delete(info.uid);
    const message =
      'node' in preemption ? choice.message : `${choice.message} ${NO_CLAIMS}preemption: ${preemption.message}`;
    this.#fail(info, { message, nominated, preemption })
      .catch((error: unknown) => this.#options.log.warn('pod was not reported unschedulable', { error }))
      .finally(() => {
        const current = this.#options.informers.of(pods).get(info.pod.metadata.name, info.namespace);
        if (current?.metadata.uid !== info.uid || current.spec?.nodeName) return;
        this.#queue.failed(info, { soon: this.#changes !== changes });
      });
  }

  async #bind(info: PodInfo, node: string): Promise<void> {
    const { client, recorder, log } = this.#options;
    const { name, namespace, uid } = info.pod.metadata;
    const target = { apiVersion: 'v1', kind: 'Node', name: node };
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target };
    try {
      await this.#volumes.bind(info.pod, this.#state.placeOf(info.uid)!);
      await client.createSubresource(pods, { name, namespace }, 'binding', binding);
      recorder.record(info.pod, {
        type: 'Normal',
        reason: 'Scheduled',
        message: `Successfully assigned ${namespace}/${name} to ${node}`,
      });
    } catch (error) {
      this.#state.removePod(info.uid);
      if (!isNotFound(error) && !isConflict(error)) {
        log.warn('pod was not bound', { pod: `${namespace}/${name}`, node, error });
        this.#queue.failed(info, { soon: true });
      }
    } finally {
      this.#binding.delete(info.uid);
      this.#wake();
    }
  }

  async #fail(info: PodInfo, outcome: FailedOutcome): Promise<void> {
    const { client, recorder, clock } = this.#options;
    const { message, nominated, preemption } = outcome;
    const { name, namespace } = info.pod.metadata;
    const { conditions = [], nominatedNodeName } =
      this.#options.informers.of(pods).get(name, namespace)?.status ?? info.pod.status ?? {};
    const before = conditions.find((condition) => condition.type === 'PodScheduled');
    if (before?.message !== message || nominatedNodeName !== nominated) {
      recorder.record(info.pod, { type: 'Warning', reason: 'FailedScheduling', message });
      const lastTransitionTime = before?.status === 'False' ? before.lastTransitionTime : timestamp(clock.now());
      const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime };
      const body = { status: { conditions: [condition], nominatedNodeName: nominated ?? null } };
      await client
        .patch(pods, { name, namespace }, { type: 'strategic', body, subresource: 'status' })
        .catch(ignoreNotFound);
    }
    if ('victims' in preemption) {
      await Promise.all(
        preemption.victims.map((victim) => evict(this.#options, { victim, by: info.pod, node: nominated! })),
      );
    }
  }
}

/** What the resources of KEP-4381 say, who have none here. */
const NO_CLAIMS = 'no new claims to deallocate, ';

interface FailedOutcome {
  readonly message: string;
  /** Node that room is made on. */
  readonly nominated: string | undefined;
  readonly preemption: Preemption;
}

function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
