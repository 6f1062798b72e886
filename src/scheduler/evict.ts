import { isConflict, isNotFound } from '../api/errors.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import { type Clock, timestamp } from '../lib/clock.ts';
import type { PodInfo } from './pod-info.ts';

export interface EvictOptions {
  client: Client;
  recorder: EventRecorder;
  clock: Clock;
}

/** Ends a pod to make room for a more important one (KEP-3329 names the condition). */
export async function evict(
  { client, recorder, clock }: EvictOptions,
  { victim, by, node }: { victim: PodInfo; by: Pod; node: string },
): Promise<void> {
  const { name, namespace, uid } = victim.pod.metadata;
  if (victim.ending) return;
  const message = `${by.spec?.schedulerName}: preempting to accommodate a higher priority pod`;
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'PreemptionByScheduler',
    message,
    lastTransitionTime: timestamp(clock.now()),
  };
  const body = { status: { conditions: [condition] } };
  try {
    await client.patch(pods, { name, namespace }, { type: 'strategic', body, subresource: 'status' });
    await client.delete(pods, { name, namespace }, { preconditions: { uid } });
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return;
    throw error;
  }
  recorder.record(victim.pod, {
    type: 'Normal',
    reason: 'Preempted',
    message: `Preempted by pod ${by.metadata.uid} on node ${node}`,
  });
}
