import { ApiError } from '../../api/errors.ts';
import type { Pod, ServiceAccount } from '../../api/types.ts';
import type { Admission } from '../admission.ts';

export interface ServiceAccountAdmissionOptions {
  /** In [0, 1): the volume's name. */
  random: () => number;
  find: (key: { namespace: string; name: string }) => ServiceAccount | undefined;
}

type PodSpec = NonNullable<Pod['spec']>;

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** Gives new pods their account's token, the cluster's CA and their namespace as files (Kubernetes' ServiceAccount admission). */
export function createServiceAccountAdmission(options: ServiceAccountAdmissionOptions): Admission<Pod> {
  return {
    resource: { group: '', plural: 'pods' },
    create(pod) {
      const spec = pod.spec;
      const namespace = pod.metadata.namespace ?? '';
      if (!spec?.containers) return;
      const name = spec.serviceAccountName || 'default';
      const account = options.find({ namespace, name });
      if (!account) throw noAccount(pod, { namespace, name });
      if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        spec.imagePullSecrets = structuredClone(account.imagePullSecrets);
      }
      if ((spec.automountServiceAccountToken ?? account.automountServiceAccountToken) === false) return;
      mountToken(spec, options.random);
    },
  };
}

function noAccount(pod: Pod, { namespace, name }: { namespace: string; name: string }): ApiError {
  const podName = pod.metadata.name || pod.metadata.generateName;
  const message = `pods "${podName}" is forbidden: error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
  return new ApiError('Forbidden', message, { name: podName, kind: 'pods' });
}

function mountToken(spec: PodSpec, random: () => number): void {
  const without = [...spec.containers, ...(spec.initContainers ?? [])].filter(
    (container) => !container.volumeMounts?.some((mount) => mount.mountPath === MOUNT_PATH),
  );
  if (without.length === 0) return;
  const suffix = Array.from({ length: 5 }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join('');
  const name = `kube-api-access-${suffix}`;
  spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
  for (const container of without) {
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath: MOUNT_PATH }];
  }
}

function tokenVolume(name: string): NonNullable<PodSpec['volumes']>[number] {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
}
