import { resourceQuotas } from '../api/kinds/resourcequota.ts';
import { addAmounts, formatAmount, ZERO } from '../api/quantity.ts';
import { countedKind, limitedUsage } from '../api/quota/usage.ts';
import { registry } from '../api/registry.ts';
import type { Resource } from '../api/resource.ts';
import type { KubeObject, ResourceQuota } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { type Controller, startController } from '../client/reconcile.ts';
import { ignoreGone, sameContent } from './common.ts';
import type { ControllersOptions } from './options.ts';

/** Keeps `status.used` of every ResourceQuota. */
export function startResourceQuotas(options: ControllersOptions): void {
  const quotas = options.informers.of(resourceQuotas);
  const followed = new Set<Resource>();
  const controller = startController({
    ...options,
    name: 'resourcequota',
    reconcile: (key) => reconcile(options, key),
  });
  quotas.subscribe(({ type, object }) => {
    if (type === 'deleted') return;
    for (const resource of countedResources(object)) {
      if (!followed.has(resource)) follow(options, controller, resource);
      followed.add(resource);
    }
    controller.enqueue(objectKey(object));
  });
}

/** The rows that a quota counts; kinds that are not among those of the program have no usage in its status. */
function countedResources({ spec }: ResourceQuota): Resource[] {
  const kinds = Object.keys(spec?.hard ?? {}).map(countedKind);
  const rows = kinds.map((kind) =>
    registry.find(({ group, plural }) => group === kind.group && plural === kind.plural),
  );
  return [...new Set(rows.filter((row) => row !== undefined))];
}

/** Only what is counted has a cache. */
function follow({ informers }: ControllersOptions, controller: Controller, resource: Resource): void {
  const quotas = informers.of(resourceQuotas);
  informers.of(resource).subscribe(({ object }) => {
    for (const quota of quotas.list(object.metadata.namespace)) controller.enqueue(objectKey(quota));
  });
}

async function reconcile({ client, informers }: ControllersOptions, key: string): Promise<void> {
  const { name, namespace } = splitKey(key);
  const quota = informers.of(resourceQuotas).get(name, namespace);
  if (!quota) return;
  const counted = countedResources(quota).map((resource) => ({ resource, informer: informers.of(resource) }));
  await Promise.all(counted.map(({ informer }) => informer.whenSynced()));
  const objects = counted.flatMap(({ resource, informer }) =>
    informer.list(namespace).map((object): [Resource, KubeObject] => [resource, object]),
  );
  const status = quotaStatus(quota, objects);
  if (sameContent(quota.status, status)) return;
  await client.updateStatus(resourceQuotas, { ...quota, status }).catch(ignoreGone);
}

/** The limits, and what of them the objects of the namespace use. */
export function quotaStatus(
  quota: ResourceQuota,
  objects: readonly (readonly [Pick<Resource, 'group' | 'plural'>, KubeObject])[],
): NonNullable<ResourceQuota['status']> {
  const hard = quota.spec?.hard ?? {};
  const used = new Map(Object.keys(hard).map((name) => [name, ZERO]));
  for (const [resource, object] of objects) {
    for (const [name, amount] of limitedUsage(quota, resource, object)) {
      used.set(name, addAmounts(used.get(name) ?? ZERO, amount));
    }
  }
  return { hard, used: Object.fromEntries([...used].map(([name, amount]) => [name, formatAmount(amount)])) };
}
