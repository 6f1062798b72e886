import { isConflict, isNotFound } from '../api/errors.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { registry } from '../api/registry.ts';
import type { Resource } from '../api/resource.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import type { ControllersOptions } from './options.ts';

const AGAIN_MS = 200;

/** Empties namespaces that are being deleted, then lets them go. */
export function startNamespaces(options: ControllersOptions): void {
  const { informers } = options;
  const controller = startController({ ...options, name: 'namespace', reconcile: (name) => reconcile(options, name) });
  informers.of(namespaces).subscribe((change) => {
    if (change.object.metadata.deletionTimestamp && change.type !== 'deleted')
      controller.enqueue(change.object.metadata.name);
  });
}

async function reconcile({ client, informers }: ControllersOptions, name: string): Promise<Outcome> {
  const namespace = informers.of(namespaces).get(name);
  if (!namespace?.metadata.deletionTimestamp) return undefined;
  let left = 0;
  for (const resource of registry.filter((row) => row.namespaced && !row.conversion))
    left += await empty(client, resource, name);
  if (left > 0) return { again: AGAIN_MS };
  try {
    const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes');
    await client.updateSubresource(namespaces, { ...namespace, spec: { finalizers } }, 'finalize');
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
  return undefined;
}

/** Deletes what a namespace has of one kind; answers how many objects are still there. */
async function empty(client: ControllersOptions['client'], resource: Resource, namespace: string): Promise<number> {
  const { items } = await client.list(resource, { namespace });
  const fresh = items.filter((item) => !item.metadata.deletionTimestamp);
  await Promise.all(
    fresh.map(async (item) => {
      const options = { propagationPolicy: 'Background' as const };
      await client.delete(resource, { name: item.metadata.name, namespace }, options).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }),
  );
  return items.length;
}
