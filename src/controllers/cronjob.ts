import { isAlreadyExists } from '../api/errors.ts';
import { cronJobs } from '../api/kinds/cronjob.ts';
import { jobs } from '../api/kinds/job.ts';
import type { CronJob, Job } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { PendingWrites } from '../client/pending-writes.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { timestamp } from '../lib/clock.ts';
import { type ByController, byController } from './claim.ts';
import { controllerOf, ignoreGone, sameContent } from './common.ts';
import { type Plan, planCronJob } from './cronjob/plan.ts';
import type { ControllersOptions } from './options.ts';

const SETTLE_MS = 5000;
/** A timer for a far time is set anew after this. */
const LONGEST_WAIT_MS = 3_600_000;

/** Makes a Job at every time of a CronJob's schedule. */
export function startCronJobs(options: ControllersOptions): void {
  const { informers } = options;
  const reconciler = new Reconciler(options);
  const controller = startController({ ...options, name: 'cronjob', reconcile: (key) => reconciler.reconcile(key) });
  informers.of(cronJobs).subscribe(({ type, object }) => {
    if (type === 'deleted') reconciler.forget(objectKey(object));
    controller.enqueue(objectKey(object));
  });
  informers.of(jobs).subscribe(({ object }) => {
    const owner = controllerOf(object);
    if (owner?.kind === 'CronJob') controller.enqueue(`${object.metadata.namespace}/${owner.name}`);
  });
}

class Reconciler {
  readonly #options: ControllersOptions;
  readonly #jobs: ByController<Job>;
  readonly #pending: PendingWrites<CronJob>;

  constructor(options: ControllersOptions) {
    const { informers } = options;
    this.#options = options;
    this.#jobs = byController(informers.of(jobs));
    this.#pending = new PendingWrites(informers.of(cronJobs));
  }

  forget(key: string): void {
    this.#pending.forget(key);
  }

  async reconcile(key: string): Promise<Outcome> {
    const { informers, recorder, clock } = this.#options;
    const { name, namespace } = splitKey(key);
    await Promise.all([informers.of(cronJobs).whenSynced(), informers.of(jobs).whenSynced()]);
    const cron = informers.of(cronJobs).get(name, namespace);
    if (!cron) return undefined;
    if (!this.#pending.isSettled(key)) return { again: SETTLE_MS };
    const plan = planCronJob(cron, { jobs: this.#jobs.owned(cron.metadata.uid!), now: clock.now() });
    for (const event of plan.events) recorder.record(cron, event);
    for (const job of plan.remove) await this.#remove(cron, job);
    const status = plan.create ? await this.#create(cron, plan) : plan.status;
    if (!sameContent(status, { ...cron.status })) {
      const written = await this.#options.client.updateStatus(cronJobs, { ...cron, status });
      this.#pending.wrote(key, written);
    }
    return plan.again === undefined ? undefined : { again: Math.min(plan.again, LONGEST_WAIT_MS) };
  }

  async #remove(cron: CronJob, { metadata }: Job): Promise<void> {
    const { name, namespace, uid } = metadata;
    const { client, recorder } = this.#options;
    const options = { propagationPolicy: 'Background' as const, preconditions: { uid } };
    await client.delete(jobs, { name, namespace }, options).catch(ignoreGone);
    recorder.record(cron, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted job ${name}` });
  }

  /** Resolves with the status that knows the new Job. */
  async #create(cron: CronJob, { create, due, status, remove }: Plan): Promise<NonNullable<CronJob['status']>> {
    const { client, recorder } = this.#options;
    const lastScheduleTime = timestamp(due!);
    const gone = new Set(remove.map(({ metadata }) => metadata.uid));
    const others = (status.active ?? []).filter(({ uid }) => !gone.has(uid));
    try {
      const { metadata, apiVersion, kind } = await client.create(jobs, create!);
      const { name, namespace, uid, resourceVersion } = metadata;
      recorder.record(cron, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created job ${name}` });
      return {
        ...status,
        active: [...others, { apiVersion, kind, name, namespace, uid, resourceVersion }],
        lastScheduleTime,
      };
    } catch (error) {
      // Made before the status could be written, or by somebody else: this time is over.
      if (isAlreadyExists(error)) return { ...status, lastScheduleTime };
      const message = `Error creating job: ${(error as Error).message}`;
      recorder.record(cron, { type: 'Warning', reason: 'FailedCreate', message });
      throw error;
    }
  }
}
