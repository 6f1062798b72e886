import { isConflict, isNotFound } from '../../api/errors.ts';
import { endpointSlices } from '../../api/kinds/endpointslice.ts';
import { pods } from '../../api/kinds/pod.ts';
import { UNROUTED } from '../../api/programmed.ts';
import type { EndpointSlice, Pod } from '../../api/types.ts';
import { objectKey, splitKey } from '../../client/informer.ts';
import { startController } from '../../client/reconcile.ts';
import type { ControllersOptions } from '../options.ts';
import type { Progress } from './progress.ts';

/**
 * Marks pods that are being deleted as soon as no node's rules lead to them: only then their containers are told to end, so
 * that no connection reaches one that does not listen any more. The returned function has to be called when nodes report.
 */
export function followEndingPods(options: ControllersOptions, progress: Progress): () => void {
  const { informers, client } = options;
  const slices = informers.of(endpointSlices);
  /** Pod key → revision that no longer leads to it; undefined while some slice does. */
  const waiting = new Map<string, bigint | undefined>();
  let newest = 0n;

  const controller = startController({
    ...options,
    name: 'unrouted',
    reconcile: async (key) => {
      const { name, namespace } = splitKey(key);
      const pod = informers.of(pods).get(name, namespace);
      if (!pod || !waiting.has(key)) return void waiting.delete(key);
      const revision = waiting.get(key) ?? (isLeftBehind(pod, slices.list(namespace)) ? newest : undefined);
      waiting.set(key, revision);
      if (revision === undefined || !progress.carriesSlices(revision)) return;
      waiting.delete(key);
      const body = { metadata: { uid: pod.metadata.uid, annotations: { [UNROUTED]: 'true' } } };
      await client.patch(pods, { name, namespace }, { type: 'merge', body }).catch((error: unknown) => {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      });
    },
  });
  const look = () => {
    for (const key of waiting.keys()) controller.enqueue(key);
  };
  const consider = (pod: Pod) => {
    const key = objectKey(pod);
    if (waiting.has(key) || !awaitsEnd(pod) || !isListed(pod, slices.list(pod.metadata.namespace))) return;
    waiting.set(key, undefined);
    controller.enqueue(key);
  };
  informers.of(pods).subscribe(({ type, object }) => {
    if (type === 'deleted') waiting.delete(objectKey(object));
    else consider(object);
  });
  slices.subscribe(({ object }) => {
    // A pod may be deleted before its slice is known here.
    for (const { targetRef } of object.endpoints ?? []) {
      const pod = targetRef?.name && informers.of(pods).get(targetRef.name, object.metadata.namespace);
      if (pod) consider(pod);
    }
    const revision = BigInt(object.metadata.resourceVersion ?? 0);
    if (revision > newest) newest = revision;
    look();
  });
  return look;
}

function awaitsEnd({ metadata, spec }: Pod): boolean {
  const inTime = (metadata.deletionGracePeriodSeconds ?? 0) > 0;
  return Boolean(metadata.deletionTimestamp && spec?.nodeName) && inTime && !metadata.annotations?.[UNROUTED];
}

function isListed(pod: Pod, slices: readonly EndpointSlice[]): boolean {
  return entriesOf(pod, slices).length > 0;
}

/** No slice offers it to clients any more. */
function isLeftBehind(pod: Pod, slices: readonly EndpointSlice[]): boolean {
  return entriesOf(pod, slices).every(({ conditions }) => conditions?.terminating === true);
}

function entriesOf({ metadata }: Pod, slices: readonly EndpointSlice[]): EndpointSlice['endpoints'] {
  return slices.flatMap(({ endpoints }) =>
    (endpoints ?? []).filter(({ targetRef }) => targetRef?.uid === metadata.uid),
  );
}
