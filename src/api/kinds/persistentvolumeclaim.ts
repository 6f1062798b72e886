import { ageColumn, column, nameColumn, wide } from '../columns.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { PersistentVolumeClaim } from '../types.ts';
import { accessModesText, storageClassText } from '../volume-columns.ts';

export const persistentVolumeClaims: Resource<PersistentVolumeClaim> = {
  ...namespacedKind,
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  singular: 'persistentvolumeclaim',
  shortNames: ['pvc'],
  status: true,
  columns: [
    nameColumn,
    column('Status', ({ metadata, status }) => (metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''))),
    column('Volume', (claim) => claim.spec?.volumeName ?? ''),
    column('Capacity', ({ spec, status }) => (spec?.volumeName ? String(status?.capacity?.['storage'] ?? 0) : '')),
    column('Access Modes', ({ spec, status }) => (spec?.volumeName ? accessModesText(status?.accessModes) : '')),
    column('StorageClass', storageClassText),
    column('VolumeAttributesClass', (claim) => claim.spec?.volumeAttributesClassName || '<unset>'),
    ageColumn,
    wide('VolumeMode', (claim) => claim.spec?.volumeMode ?? '<unset>'),
  ],
  setDefaults(claim) {
    if (claim.spec) claim.spec.volumeMode ??= 'Filesystem';
  },
  prepareForCreate(claim) {
    claim.status = { phase: 'Pending' };
  },
};
