import { isNotFound } from '../api/errors.ts';
import { events } from '../api/kinds/event.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import type { ControllersOptions } from './options.ts';

const TTL_MS = 3_600_000;

/** Deletes Events an hour after they were last seen. */
export function startEventTtl(options: ControllersOptions): void {
  const { informers } = options;
  const controller = startController({ ...options, name: 'eventttl', reconcile: (key) => reconcile(options, key) });
  informers.of(events).subscribe((change) => {
    if (change.type === 'added') controller.enqueue(objectKey(change.object));
  });
}

async function reconcile({ client, informers, clock }: ControllersOptions, key: string): Promise<Outcome> {
  const { name, namespace } = splitKey(key);
  const event = informers.of(events).get(name, namespace);
  if (!event) return undefined;
  const seen = event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp!;
  const left = Date.parse(seen) + TTL_MS - clock.now();
  if (left > 0) return { again: left };
  await client.delete(events, { name, namespace }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  return undefined;
}
