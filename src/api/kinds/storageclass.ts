import { ageColumn, column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { StorageClass } from '../types.ts';

export const storageClasses: Resource<StorageClass> = {
  ...clusterKind,
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  singular: 'storageclass',
  shortNames: ['sc'],
  columns: [
    {
      ...nameColumn,
      cell: (storageClass) => `${storageClass.metadata.name}${isDefaultClass(storageClass) ? ' (default)' : ''}`,
    },
    column('Provisioner', (storageClass) => storageClass.provisioner),
    column('ReclaimPolicy', (storageClass) => storageClass.reclaimPolicy ?? 'Delete'),
    column('VolumeBindingMode', (storageClass) => storageClass.volumeBindingMode ?? 'Immediate'),
    column('AllowVolumeExpansion', (storageClass) => storageClass.allowVolumeExpansion ?? false),
    ageColumn,
  ],
  setDefaults(storageClass) {
    storageClass.reclaimPolicy ??= 'Delete';
    storageClass.volumeBindingMode ??= 'Immediate';
  },
};

const DEFAULT_ANNOTATIONS = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

/** True for the class that claims without one get. */
export function isDefaultClass({ metadata }: StorageClass): boolean {
  return DEFAULT_ANNOTATIONS.some((name) => metadata.annotations?.[name] === 'true');
}
