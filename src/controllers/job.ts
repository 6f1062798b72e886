import { jobs } from '../api/kinds/job.ts';
import { pods } from '../api/kinds/pod.ts';
import { type LabelSelectorObject, selects } from '../api/selectors.ts';
import type { Job, Pod } from '../api/types.ts';
import { Index } from '../client/index-by.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { PendingWrites } from '../client/pending-writes.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { type ByController, byController, claim } from './claim.ts';
import { controllerOf, ignoreGone, sameContent } from './common.ts';
import { type Plan, planJob } from './job/plan.ts';
import { isTracked, jobPod, TRACKING } from './job/pod.ts';
import { finishedCondition } from './job/verdict.ts';
import type { ControllersOptions } from './options.ts';
import { inRounds, PodControl } from './podcontrol.ts';

const SETTLE_MS = 5000;
/** Pods that one run creates at most. */
const BURST = 500;
/** Marks the key of a pod whose Job let it go. */
const ORPHAN = 'orphan:';

/** Runs the pods of Jobs until enough have succeeded. */
export function startJobs(options: ControllersOptions): void {
  const { informers } = options;
  const reconciler = new Reconciler(options);
  const controller = startController({
    ...options,
    name: 'job',
    workers: 8,
    reconcile: (key) => reconciler.reconcile(key),
  });
  informers.of(jobs).subscribe(({ type, object }) => {
    if (type === 'deleted') reconciler.forget(objectKey(object));
    controller.enqueue(objectKey(object));
  });
  informers.of(pods).subscribe((change) => {
    const { namespace, labels } = change.object.metadata;
    for (const pod of change.type === 'updated' ? [change.old, change.object] : [change.object]) {
      const owner = controllerOf(pod);
      if (owner?.kind === 'Job') controller.enqueue(`${namespace}/${owner.name}`);
    }
    if (change.type === 'deleted' || controllerOf(change.object)) return;
    if (isTracked(change.object)) controller.enqueue(`${ORPHAN}${objectKey(change.object)}`);
    for (const job of informers.of(jobs).list(namespace)) {
      if (selectsPod(job, labels)) controller.enqueue(objectKey(job));
    }
  });
}

function selectsPod({ spec }: Job, labels: Record<string, string> | undefined): boolean {
  return selects(spec?.selector as LabelSelectorObject | undefined, labels);
}

/** Another controller than this one answers for it (`spec.managedBy`). */
function isForeign({ spec }: Job): boolean {
  return spec?.managedBy !== undefined && spec.managedBy !== 'kubernetes.io/job-controller';
}

class Reconciler {
  readonly #options: ControllersOptions;
  readonly #control: PodControl;
  readonly #pendingJobs: PendingWrites<Job>;
  readonly #pods: ByController<Pod>;
  /** Pods that a Job of a name holds, whether it is still there or not. */
  readonly #heldByName: Index<Pod>;

  constructor(options: ControllersOptions) {
    const { informers } = options;
    this.#options = options;
    this.#control = new PodControl(options);
    this.#pendingJobs = new PendingWrites(informers.of(jobs));
    this.#pods = byController(informers.of(pods));
    this.#heldByName = new Index(informers.of(pods), (pod) => {
      const owner = controllerOf(pod);
      return owner?.kind === 'Job' && isTracked(pod) ? `${pod.metadata.namespace}/${owner.name}` : undefined;
    });
  }

  forget(key: string): void {
    this.#control.forget(key);
    this.#pendingJobs.forget(key);
  }

  async reconcile(key: string): Promise<Outcome> {
    const { informers } = this.#options;
    await Promise.all([informers.of(jobs).whenSynced(), informers.of(pods).whenSynced()]);
    if (key.startsWith(ORPHAN)) return this.#freeOrphan(key.slice(ORPHAN.length));
    const { name, namespace } = splitKey(key);
    const job = informers.of(jobs).get(name, namespace);
    const strangers = this.#heldByName.get(key).filter((pod) => controllerOf(pod)?.uid !== job?.metadata.uid);
    await Promise.all(strangers.map((pod) => this.#release(key, pod)));
    if (!job || isForeign(job)) return undefined;
    if (!this.#control.isSettled(key) || !this.#pendingJobs.isSettled(key)) return { again: SETTLE_MS };
    return this.#sync(key, job);
  }

  async #freeOrphan(key: string): Promise<void> {
    const { name, namespace } = splitKey(key);
    const pod = this.#options.informers.of(pods).get(name, namespace);
    const { informers } = this.#options;
    const adopters = informers
      .of(jobs)
      .list(namespace)
      .filter((job) => !job.metadata.deletionTimestamp);
    if (!pod || controllerOf(pod) || adopters.some((job) => selectsPod(job, pod.metadata.labels))) return;
    await this.#release(key, pod);
  }

  async #sync(key: string, job: Job): Promise<Outcome> {
    const ownership = {
      owner: job,
      ownerKind: jobs,
      resource: pods,
      matches: (pod: Pod) => selectsPod(job, pod.metadata.labels),
      wrote: (pod: Pod) => this.#control.wrote(key, pod),
    };
    const mine = await claim(this.#options.client, ownership, this.#pods.candidates(job));
    const plan = planJob(job, { pods: mine, now: this.#options.clock.now() });
    await this.#writeStatus(key, job, plan);
    await Promise.all(plan.release.map((pod) => this.#release(key, pod)));
    const owner = { kind: jobs, object: job };
    for (const pod of plan.remove) {
      // It was not to end: it does not count.
      await this.#release(key, pod);
      await this.#control.delete(key, owner, pod);
    }
    const create = plan.create.slice(0, BURST);
    await inRounds(create.length, (at) =>
      this.#control.create(key, owner, jobPod(job, create[at]!.index, create[at]!.failures)),
    );
    return plan.again === undefined ? undefined : { again: plan.again };
  }

  /** Throws Conflict when the Job is newer than the cache: counting starts anew from what it says then. */
  async #writeStatus(key: string, job: Job, { status }: Plan): Promise<void> {
    if (sameContent(status, { ...job.status })) return;
    const written = await this.#options.client.updateStatus(jobs, { ...job, status });
    this.#pendingJobs.wrote(key, written);
    this.#recordChanges(job, written);
  }

  #recordChanges(before: Job, job: Job): void {
    const { recorder } = this.#options;
    const ended = finishedCondition(job);
    if (ended && !finishedCondition(before)) {
      if (ended.type === 'Complete')
        recorder.record(job, { type: 'Normal', reason: 'Completed', message: 'Job completed' });
      else recorder.record(job, { type: 'Warning', reason: ended.reason ?? 'Failed', message: ended.message ?? '' });
    }
    const [was, is] = [before, job].map(
      ({ status }) => status?.conditions?.find(({ type }) => type === 'Suspended')?.status,
    );
    if (is === 'True' && was !== 'True')
      recorder.record(job, { type: 'Normal', reason: 'Suspended', message: 'Job suspended' });
    if (is === 'False' && was === 'True')
      recorder.record(job, { type: 'Normal', reason: 'Resumed', message: 'Job resumed' });
  }

  async #release(key: string, pod: Pod): Promise<void> {
    if (!isTracked(pod)) return;
    const { name, namespace, uid, finalizers } = pod.metadata;
    const left = finalizers!.filter((finalizer) => finalizer !== TRACKING);
    const body = { metadata: { uid, finalizers: left.length > 0 ? left : null } };
    try {
      const written = await this.#options.client.patch(pods, { name, namespace }, { type: 'merge', body });
      this.#control.wrote(key, written);
    } catch (error) {
      ignoreGone(error);
    }
  }
}
