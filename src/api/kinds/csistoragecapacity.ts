import { column, nameColumn } from '../columns.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { CSIStorageCapacity } from '../types.ts';

export const csiStorageCapacities: Resource<CSIStorageCapacity> = {
  ...namespacedKind,
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  singular: 'csistoragecapacity',
  columns: [
    nameColumn,
    column('StorageClassName', (capacity) => capacity.storageClassName),
    column('Capacity', ({ capacity }) => String(capacity ?? '<unset>')),
  ],
};
