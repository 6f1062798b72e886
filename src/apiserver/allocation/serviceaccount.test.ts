import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, ServiceAccount } from '../../api/types.ts';
import { createServiceAccountAdmission } from './serviceaccount.ts';

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

function admit(spec: object, account: Partial<ServiceAccount> | undefined): Pod {
  const admission = createServiceAccountAdmission({ random: () => 0, find: () => account as ServiceAccount });
  const pod = {
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  } as Pod;
  admission.create!(pod, { dryRun: false, username: 'test' });
  return pod;
}

test('createServiceAccountAdmission() mounts a token with the authority and the namespace', () => {
  const { spec } = admit({ initContainers: [{ name: 'i', image: 'i' }] }, {});
  const name = 'kube-api-access-bbbbb';
  assert.deepEqual(
    spec!.volumes!.map((volume) => volume.name),
    [name],
  );
  const sources = spec!.volumes![0]!.projected!.sources!.map((source) => Object.keys(source)[0]);
  assert.deepEqual(sources, ['serviceAccountToken', 'configMap', 'downwardAPI']);
  for (const container of [...spec!.containers, ...spec!.initContainers!]) {
    assert.deepEqual(container.volumeMounts, [{ name, readOnly: true, mountPath: MOUNT_PATH }]);
  }
});

test('createServiceAccountAdmission() leaves alone who does not want it', () => {
  const own = [{ name: 'own', mountPath: MOUNT_PATH }];
  assert.equal(admit({ automountServiceAccountToken: false }, {}).spec!.volumes, undefined);
  assert.equal(admit({}, { automountServiceAccountToken: false }).spec!.volumes, undefined);
  const mounted = admit({ containers: [{ name: 'c', image: 'i', volumeMounts: own }] }, {});
  assert.deepEqual([mounted.spec!.volumes, mounted.spec!.containers[0]!.volumeMounts], [undefined, own]);
});

test('createServiceAccountAdmission() refuses an account that is not there', () => {
  assert.throws(
    () => admit({ serviceAccountName: 'robot' }, undefined),
    /error looking up service account default\/robot: serviceaccount "robot" not found/,
  );
});
