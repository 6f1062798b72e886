import { isNotFound } from '../api/errors.ts';
import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import type { ControllersOptions } from './options.ts';

/** Removes pods that are bound to nodes which no longer exist: no agent will end them. */
export function startPodGc(options: ControllersOptions): void {
  const { client, informers } = options;
  const controller = startController({
    ...options,
    name: 'podgc',
    reconcile: async (key) => {
      await Promise.all([informers.of(pods).whenSynced(), informers.of(nodes).whenSynced()]);
      const { name, namespace } = splitKey(key);
      const pod = informers.of(pods).get(name, namespace);
      if (!pod?.spec?.nodeName || informers.of(nodes).get(pod.spec.nodeName)) return;
      await client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0 }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    },
  });
  informers.of(nodes).subscribe((change) => {
    if (change.type !== 'deleted') return;
    for (const pod of informers.of(pods).list()) {
      if (pod.spec?.nodeName === change.object.metadata.name) controller.enqueue(objectKey(pod));
    }
  });
  informers.of(pods).subscribe(({ object }) => {
    if (object.spec?.nodeName && informers.of(nodes).synced && !informers.of(nodes).get(object.spec.nodeName)) {
      controller.enqueue(objectKey(object));
    }
  });
}
