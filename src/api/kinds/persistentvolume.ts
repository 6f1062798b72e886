import { ageColumn, column, nameColumn, wide } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { PersistentVolume } from '../types.ts';
import { accessModesText, storageClassText } from '../volume-columns.ts';
import { VOLUME_FINALIZER, withFinalizer } from '../volume-protection.ts';

export const persistentVolumes: Resource<PersistentVolume> = {
  ...clusterKind,
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  singular: 'persistentvolume',
  shortNames: ['pv'],
  status: true,
  columns: [
    nameColumn,
    column('Capacity', (volume) => String(volume.spec?.capacity?.['storage'] ?? 0)),
    column('Access Modes', (volume) => accessModesText(volume.spec?.accessModes)),
    column('Reclaim Policy', (volume) => volume.spec?.persistentVolumeReclaimPolicy ?? ''),
    column('Status', ({ metadata, status }) => (metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''))),
    column('Claim', ({ spec }) => (spec?.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '')),
    column('StorageClass', storageClassText),
    column('VolumeAttributesClass', (volume) => volume.spec?.volumeAttributesClassName || '<unset>'),
    column('Reason', (volume) => volume.status?.reason ?? ''),
    ageColumn,
    wide('VolumeMode', (volume) => volume.spec?.volumeMode ?? '<unset>'),
  ],
  setDefaults(volume) {
    if (!volume.spec) return;
    volume.spec.persistentVolumeReclaimPolicy ??= 'Retain';
    volume.spec.volumeMode ??= 'Filesystem';
  },
  prepareForCreate(volume) {
    volume.status = { phase: 'Pending' };
    volume.metadata.finalizers = withFinalizer(volume.metadata.finalizers, VOLUME_FINALIZER);
  },
};
