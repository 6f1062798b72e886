import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { pods } from '../api/kinds/pod.ts';
import { UNROUTED } from '../api/programmed.ts';
import type { Pod } from '../api/types.ts';
import type { AgentOptions } from './options.ts';

/** Rules are in place within milliseconds; where nobody tells, a pod ends all the same. */
const PATIENCE_MS = 2000;

/**
 * Resolves when no node's rules lead to a pod that is being deleted: its containers may be told to end then, and no client
 * finds a door closed. At once for a pod that no Service leads to, and for one that is to end without grace.
 */
export function untilUnrouted(
  pod: Pod,
  { informers, nodeName, clock, signal }: Pick<AgentOptions, 'informers' | 'nodeName' | 'clock' | 'signal'>,
): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  const slices = informers.of(endpointSlices).list(namespace);
  const routed = slices.some(({ endpoints }) => endpoints?.some(({ targetRef }) => targetRef?.uid === uid));
  if (!routed || mayEnd(pod) || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      unsubscribe();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(PATIENCE_MS, end);
    signal.addEventListener('abort', end, { once: true });
    const mine = informers.of(pods, { fieldSelector: `spec.nodeName=${nodeName}` });
    const unsubscribe = mine.subscribe(({ type, object }) => {
      if (object.metadata.name !== name || object.metadata.namespace !== namespace) return;
      // The first call comes before there is anything to end.
      if (type === 'deleted' || mayEnd(object)) queueMicrotask(end);
    });
  });
}

function mayEnd({ metadata }: Pod): boolean {
  return metadata.annotations?.[UNROUTED] !== undefined || metadata.deletionGracePeriodSeconds === 0;
}
