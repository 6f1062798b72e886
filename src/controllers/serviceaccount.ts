import { isAlreadyExists } from '../api/errors.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { serviceAccounts } from '../api/kinds/serviceaccount.ts';
import { startController } from '../client/reconcile.ts';
import type { ControllersOptions } from './options.ts';

const NAME = 'default';

/** Keeps a ServiceAccount `default` in every namespace. */
export function startServiceAccounts(options: ControllersOptions): void {
  const { client, informers } = options;
  const controller = startController({
    ...options,
    name: 'serviceaccount',
    reconcile: async (namespace) => {
      await Promise.all([informers.of(namespaces).whenSynced(), informers.of(serviceAccounts).whenSynced()]);
      const living = informers.of(namespaces).get(namespace);
      if (!living || living.metadata.deletionTimestamp || informers.of(serviceAccounts).get(NAME, namespace)) return;
      await client.create(serviceAccounts, { metadata: { name: NAME, namespace } }).catch((error: unknown) => {
        if (!isAlreadyExists(error)) throw error;
      });
    },
  });
  informers.of(namespaces).subscribe(({ object }) => controller.enqueue(object.metadata.name));
  informers.of(serviceAccounts).subscribe((change) => {
    if (change.type === 'deleted') controller.enqueue(change.object.metadata.namespace!);
  });
}
