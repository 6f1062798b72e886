import { parseQuantity } from '../../api/quantity.ts';
import { type LabelSelectorObject, matchesLabels, selectorRequirements } from '../../api/selectors.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.ts';

/** True when a volume is set aside for a claim, whether or not that is bound to it already. */
export function isForClaim({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const ref = spec?.claimRef;
  if (!ref || ref.name !== metadata.name || ref.namespace !== metadata.namespace) return false;
  return !ref.uid || ref.uid === metadata.uid;
}

/** What keeps a volume from serving a claim; undefined when nothing does. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (sizeOf(volume.spec?.capacity) < sizeOf(claim.spec?.resources?.requests)) return 'requested PV is too small';
  if ((volume.spec?.storageClassName ?? '') !== (claim.spec?.storageClassName ?? '')) {
    return 'storageClassName does not match';
  }
  const modes = volume.spec?.accessModes ?? [];
  if (!(claim.spec?.accessModes ?? []).every((mode) => modes.includes(mode))) return 'incompatible accessMode';
  const mode = (spec: { volumeMode?: string } | undefined) => spec?.volumeMode ?? 'Filesystem';
  return mode(volume.spec) === mode(claim.spec) ? undefined : 'incompatible volumeMode';
}

/** The volume that is set aside for a claim, or else the smallest free one that serves it. */
export function findVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  { reservedOnly }: { reservedOnly: boolean },
): PersistentVolume | undefined {
  const usable = volumes.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const reserved = usable.find((volume) => isForClaim(volume, claim));
  if (reserved || reservedOnly) return reserved;
  const free = usable.filter((volume) => !volume.spec?.claimRef && volume.status?.phase === 'Available');
  const fitting = free.filter((volume) => mismatch(volume, claim) === undefined && isSelected(volume, claim));
  return fitting.sort((a, b) => sizeOf(a.spec?.capacity) - sizeOf(b.spec?.capacity))[0];
}

/** A claim without a selector takes any volume. */
function isSelected({ metadata }: PersistentVolume, { spec }: PersistentVolumeClaim): boolean {
  const selector = spec?.selector as LabelSelectorObject | undefined;
  return selector === undefined || matchesLabels(selectorRequirements(selector), metadata.labels);
}

/** Bytes. */
function sizeOf(amounts: { readonly [name: string]: string | number } | undefined): number {
  return parseQuantity(String(amounts?.['storage'] ?? 0)) ?? 0;
}
