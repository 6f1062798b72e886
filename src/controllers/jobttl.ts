import { jobs } from '../api/kinds/job.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { ignoreGone } from './common.ts';
import type { ControllersOptions } from './options.ts';

/** Deletes Jobs that ended `ttlSecondsAfterFinished` ago, with their pods. */
export function startJobTtl(options: ControllersOptions): void {
  const { informers } = options;
  const controller = startController({ ...options, name: 'jobttl', reconcile: (key) => reconcile(options, key) });
  informers.of(jobs).subscribe(({ type, object }) => {
    if (type !== 'deleted' && object.spec?.ttlSecondsAfterFinished !== undefined) controller.enqueue(objectKey(object));
  });
}

async function reconcile({ client, informers, clock }: ControllersOptions, key: string): Promise<Outcome> {
  const { name, namespace } = splitKey(key);
  const job = informers.of(jobs).get(name, namespace);
  const ttl = job?.spec?.ttlSecondsAfterFinished;
  if (!job || ttl === undefined || job.metadata.deletionTimestamp) return undefined;
  const ended = job.status?.conditions?.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
  if (!ended) return undefined;
  const left = Date.parse(ended.lastTransitionTime ?? '') + ttl * 1000 - clock.now();
  if (left > 0) return { again: left };
  const { uid, resourceVersion } = job.metadata;
  const preconditions = { uid, resourceVersion };
  await client.delete(jobs, { name, namespace }, { propagationPolicy: 'Foreground', preconditions }).catch(ignoreGone);
  return undefined;
}
