import { limitRanges } from '../../api/kinds/limitrange.ts';
import { storageClasses } from '../../api/kinds/storageclass.ts';
import type { KubeObject, LimitRange, StorageClass } from '../../api/types.ts';
import type { Store } from '../../store/store.ts';
import type { Admission } from '../admission.ts';
import type { Catalog } from '../catalog.ts';
import { keyPrefix, objectOf } from '../objects.ts';
import { createDefaultStorageClass, namespaceLifecycle } from './lifecycle.ts';
import { createLimitRanger } from './limit-ranger.ts';
import { createQuotaAdmission } from './quota-admission.ts';
import { QuotaUsage } from './quota-usage.ts';

/** The bounds of namespaces, as the last admission steps: quotas count what all others have made of an object. */
export function createLimits({ store, catalog }: { store: Store; catalog: Catalog }): Admission[] {
  const list = (resource: { group: string; plural: string }, namespace = '') =>
    store.list(keyPrefix(resource, namespace)).items.map(objectOf);
  return [
    namespaceLifecycle,
    createDefaultStorageClass(() => list(storageClasses) as StorageClass[]) as Admission<KubeObject>,
    ...createLimitRanger((namespace) => list(limitRanges, namespace) as LimitRange[]),
    createQuotaAdmission({ usage: new QuotaUsage(store), catalog }),
  ];
}
