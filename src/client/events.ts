import { isNotFound } from '../api/errors.ts';
import { events } from '../api/kinds/event.ts';
import type { Event, KubeObject } from '../api/types.ts';
import { type Clock, timestamp } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Client } from './client.ts';

export interface EventRecorder {
  /** Never fails: what can't be written is logged. The same event again raises its count. */
  record(object: KubeObject, event: RecordedEvent): void;
}

export interface RecordedEvent {
  type: 'Normal' | 'Warning';
  /** CamelCase, as `kubectl describe` shows it. */
  reason: string;
  message: string;
  /** Part of the object: `spec.containers{nginx}`. */
  fieldPath?: string;
  /** Who tells it, when it is another than the recorder's own component. */
  component?: string;
}

export interface EventRecorderOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  component: string;
  host?: string;
}

const REMEMBERED = 1000;
/** Events that wait for a server; more are dropped. */
const WAITING = 10_000;

/** Writes `core/v1` Events. */
export function createEventRecorder(recorder: EventRecorderOptions): EventRecorder {
  const options: Writer = { ...recorder, nextSuffix: uniqueSuffixes(recorder.clock) };
  const written = new Map<string, Event>();
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  return {
    record(object, event) {
      if (waiting === WAITING) return options.log.warn('event was dropped', { reason: event.reason });
      waiting++;
      const occurrence = { object, event, time: timestamp(recorder.clock.now()) };
      const key = JSON.stringify([object.metadata.uid, event]);
      const write = async () => {
        const known = written.get(key);
        const stored = known ? await raise(options, known, occurrence) : await create(options, occurrence);
        written.delete(key);
        written.set(key, stored);
        if (written.size > REMEMBERED) written.delete(written.keys().next().value!);
      };
      last = last
        .then(write)
        .catch((error) => options.log.warn('event was not written', { reason: event.reason, error }))
        .finally(() => waiting--);
    },
  };
}

interface Writer extends EventRecorderOptions {
  readonly nextSuffix: () => string;
}

interface Occurrence {
  readonly object: KubeObject;
  readonly event: RecordedEvent;
  /** When it happened; it may be written later. */
  readonly time: string;
}

async function raise(options: Writer, known: Event, occurrence: Occurrence): Promise<Event> {
  const count = (known.count ?? 1) + 1;
  const body = { count, lastTimestamp: occurrence.time };
  const { name, namespace } = known.metadata;
  try {
    return await options.client.patch(events, { name, namespace }, { type: 'merge', body });
  } catch (error) {
    if (isNotFound(error)) return create(options, occurrence);
    throw error;
  }
}

function create(options: Writer, { object, event, time }: Occurrence): Promise<Event> {
  const { name, namespace = 'default', uid, resourceVersion } = object.metadata;
  const { component = options.component } = event;
  const { apiVersion, kind } = object;
  return options.client.create(events, {
    metadata: { name: `${name.slice(0, 200)}.${options.nextSuffix()}`, namespace },
    involvedObject: {
      apiVersion,
      kind,
      name,
      namespace: object.metadata.namespace,
      uid,
      resourceVersion,
      fieldPath: event.fieldPath,
    },
    type: event.type,
    reason: event.reason,
    message: event.message,
    source: { component, host: options.host },
    reportingComponent: component,
    reportingInstance: options.host ?? '',
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  });
}

/** Nanoseconds since the epoch in hexadecimal, as event names end; never the same twice. */
function uniqueSuffixes(clock: Clock): () => string {
  let last = 0n;
  return () => {
    const now = BigInt(clock.now()) * 1_000_000n;
    last = now > last ? now : last + 1n;
    return last.toString(16);
  };
}
