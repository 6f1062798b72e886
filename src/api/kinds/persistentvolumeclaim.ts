import { isDeepStrictEqual } from 'node:util';
import { ageColumn, column, nameColumn, wide } from '../columns.ts';
import { type FieldError, forbidden, requiredValue } from '../field-error.ts';
import { supported } from '../pod/validation.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { PersistentVolumeClaim } from '../types.ts';
import { accessModesText, storageClassText } from '../volume-columns.ts';
import { CLAIM_FINALIZER, withFinalizer } from '../volume-protection.ts';

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
    claim.metadata.finalizers = withFinalizer(claim.metadata.finalizers, CLAIM_FINALIZER);
  },
  validate: validateClaim,
  validateUpdate,
};

const MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

function validateClaim({ spec }: PersistentVolumeClaim): FieldError[] {
  const modes = spec?.accessModes ?? [];
  return [
    ...(modes.length > 0 ? [] : [requiredValue('spec.accessModes', 'at least 1 access mode is required')]),
    ...modes.flatMap((mode, index) => supported(mode, { path: `spec.accessModes[${index}]`, values: MODES })),
    ...(spec?.resources?.requests?.['storage'] === undefined ? [requiredValue('spec.resources[storage]')] : []),
    ...supported(spec?.volumeMode, { path: 'spec.volumeMode', values: ['Block', 'Filesystem'] }),
  ];
}

const FIXED =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** Binding sets the volume once, and the class of a claim that named none; a bound claim may ask for more. */
function validateUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const kept = { ...old.spec! };
  kept.volumeName ||= claim.spec?.volumeName;
  kept.storageClassName ??= claim.spec?.storageClassName;
  if (old.status?.phase === 'Bound') {
    kept.resources = { ...kept.resources, requests: claim.spec?.resources?.requests };
    kept.volumeAttributesClassName = claim.spec?.volumeAttributesClassName;
  }
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;
  return isDeepStrictEqual(plain(claim.spec), plain(kept)) ? [] : [forbidden('spec', FIXED)];
}
