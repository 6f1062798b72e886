import { customResourceDefinitions } from '../api/kinds/customresourcedefinition.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { pods } from '../api/kinds/pod.ts';
import { type Resource, row } from '../api/resource.ts';
import type { KubeObject, Namespace } from '../api/types.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { ignoreGone, ignoreNotFound, sameContent } from './common.ts';
import { kindsOf } from './kinds.ts';
import { type Remains, terminatingConditions } from './namespace/conditions.ts';
import type { ControllersOptions } from './options.ts';

const AGAIN_MS = 200;
const PODS = row(pods);

/** Empties namespaces that are being deleted, then lets them go. */
export function startNamespaces(options: ControllersOptions): void {
  const { informers } = options;
  const kinds = kindsOf(options);
  const controller = startController({
    ...options,
    name: 'namespace',
    workers: 4,
    reconcile: async (name) => {
      await Promise.all([informers.of(namespaces).whenSynced(), informers.of(customResourceDefinitions).whenSynced()]);
      return reconcile(options, name, kinds.resources);
    },
  });
  informers.of(namespaces).subscribe(({ type, object }) => {
    if (type !== 'deleted' && object.metadata.deletionTimestamp) controller.enqueue(object.metadata.name);
  });
}

async function reconcile(options: ControllersOptions, name: string, kinds: readonly Resource[]): Promise<Outcome> {
  const { client, informers } = options;
  const namespace = informers.of(namespaces).get(name);
  if (!namespace?.metadata.deletionTimestamp) return undefined;
  const remains = await emptyAll(options, name, kinds);
  if (remains.length > 0) {
    await writeConditions(options, namespace, remains);
    return { again: AGAIN_MS };
  }
  const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes');
  await client.updateSubresource(namespaces, { ...namespace, spec: { finalizers } }, 'finalize').catch(ignoreGone);
  return undefined;
}

/** Pods go before what they may still need. Resolves with what is left. */
async function emptyAll(
  options: ControllersOptions,
  namespace: string,
  kinds: readonly Resource[],
): Promise<Remains[]> {
  const running = await empty(options, PODS, namespace);
  if (running) return [running];
  const others = kinds.filter((resource) => resource.namespaced && resource !== PODS);
  const remains = await Promise.all(others.map((resource) => empty(options, resource, namespace)));
  return remains.filter((left) => left !== undefined);
}

/** Deletes what a namespace has of one kind; undefined when it had nothing. */
async function empty(
  { client }: ControllersOptions,
  resource: Resource,
  namespace: string,
): Promise<Remains | undefined> {
  try {
    const { items } = await client.list(resource, { namespace });
    if (items.length === 0) return undefined;
    const staying = items.filter(({ metadata }) => !metadata.deletionTimestamp);
    const options = { propagationPolicy: 'Background' as const };
    await Promise.all(
      staying.map(({ metadata }) =>
        client.delete(resource, { name: metadata.name, namespace }, options).catch(ignoreNotFound),
      ),
    );
    return { resource, count: items.length, finalizers: finalizersOf(items) };
  } catch (error) {
    return { resource, count: 0, finalizers: new Map(), error: (error as Error).message };
  }
}

function finalizersOf(items: readonly KubeObject[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of items.flatMap(({ metadata }) => metadata.finalizers ?? [])) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

async function writeConditions(
  { client, clock }: ControllersOptions,
  namespace: Namespace,
  remains: readonly Remains[],
): Promise<void> {
  const conditions = terminatingConditions(namespace, remains, clock.now());
  if (sameContent(conditions, namespace.status?.conditions ?? [])) return;
  const { name } = namespace.metadata;
  const body = { status: { conditions } };
  await client.patch(namespaces, { name }, { type: 'merge', body, subresource: 'status' }).catch(ignoreGone);
}
