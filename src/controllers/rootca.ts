import { isAlreadyExists } from '../api/errors.ts';
import { configMaps } from '../api/kinds/configmap.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { startController } from '../client/reconcile.ts';
import type { ControllersOptions } from './options.ts';

const NAME = 'kube-root-ca.crt';

/** Publishes the cluster's CA in every namespace, where pods' tokens are mounted with it. */
export function startRootCa(options: ControllersOptions): void {
  const { client, informers, caPem } = options;
  const data = { 'ca.crt': caPem };
  const controller = startController({
    ...options,
    name: 'rootca',
    reconcile: async (namespace) => {
      await Promise.all([informers.of(namespaces).whenSynced(), informers.of(configMaps).whenSynced()]);
      const living = informers.of(namespaces).get(namespace);
      if (!living || living.metadata.deletionTimestamp) return;
      const present = informers.of(configMaps).get(NAME, namespace);
      if (present?.data?.['ca.crt'] === caPem) return;
      if (present) await client.update(configMaps, { ...present, data });
      else await client.create(configMaps, { metadata: { name: NAME, namespace }, data }).catch(ignoreExists);
    },
  });
  informers.of(namespaces).subscribe(({ object }) => controller.enqueue(object.metadata.name));
  informers.of(configMaps).subscribe(({ type, object }) => {
    if (object.metadata.name === NAME && type !== 'added') controller.enqueue(object.metadata.namespace!);
  });
}

function ignoreExists(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}
