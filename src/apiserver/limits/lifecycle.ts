import { ApiError } from '../../api/errors.ts';
import { isDefaultClass } from '../../api/kinds/storageclass.ts';
import type { KubeObject, PersistentVolumeClaim, StorageClass } from '../../api/types.ts';
import type { Admission } from '../admission.ts';

const IMMORTAL = ['default', 'kube-system', 'kube-public'];

/** The namespaces that a cluster can not be without stay (Kubernetes' NamespaceLifecycle admission). */
export const namespaceLifecycle: Admission<KubeObject> = {
  resource: { group: '', plural: 'namespaces' },
  delete({ metadata: { name } }) {
    if (!IMMORTAL.includes(name)) return;
    const message = `namespaces ${JSON.stringify(name)} is forbidden: this namespace may not be deleted`;
    throw new ApiError('Forbidden', message, { name, kind: 'namespaces' });
  },
};

/** Gives claims without a class the newest of the default classes (Kubernetes' DefaultStorageClass admission). */
export function createDefaultStorageClass(list: () => readonly StorageClass[]): Admission<PersistentVolumeClaim> {
  return {
    resource: { group: '', plural: 'persistentvolumeclaims' },
    create(claim) {
      // An empty name asks for no class at all.
      if (!claim.spec || claim.spec.storageClassName !== undefined) return;
      const defaults = list().filter(isDefaultClass);
      const age = ({ metadata }: StorageClass) => `${metadata.creationTimestamp} ${metadata.name}`;
      const newest = defaults.reduce<StorageClass | undefined>(
        (best, each) => (best && age(best) >= age(each) ? best : each),
        undefined,
      );
      if (newest) claim.spec.storageClassName = newest.metadata.name;
    },
  };
}
