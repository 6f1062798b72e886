import type { New, Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../api/types.ts';
import { VOLUME_FINALIZER } from '../../api/volume-protection.ts';

export const PROVISIONER = 'local-path.sampan.dev';
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';

/** The class of claims that name none. */
export const STANDARD: New<StorageClass> = {
  metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: PROVISIONER,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
};

/** A directory of a node as the volume of a claim. Pure. */
export function localVolume(
  claim: PersistentVolumeClaim,
  { storageClass, node, root }: { storageClass: StorageClass; node: Node; root: string },
): New<PersistentVolume> {
  const { name, namespace, uid } = claim.metadata;
  const volumeName = `pvc-${uid}`;
  const hostname = node.metadata.labels?.['kubernetes.io/hostname'] ?? node.metadata.name;
  const here = { key: 'kubernetes.io/hostname', operator: 'In' as const, values: [hostname] };
  return {
    metadata: {
      name: volumeName,
      annotations: { [PROVISIONED_BY]: storageClass.provisioner },
      finalizers: [VOLUME_FINALIZER],
    },
    spec: {
      capacity: { storage: claim.spec?.resources?.requests?.['storage'] ?? '0' },
      accessModes: claim.spec?.accessModes ?? [],
      volumeMode: claim.spec?.volumeMode ?? 'Filesystem',
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name,
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid },
      hostPath: { path: `${root}/${volumeName}_${namespace}_${name}`, type: 'DirectoryOrCreate' },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [here] }] } },
    },
  };
}
