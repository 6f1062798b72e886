import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, ServiceAccount } from '../../api/types.ts';
import { createServiceAccountAdmission } from './serviceaccount.ts';

const WRITE = { dryRun: false, user: { username: 'test', groups: [] } };
const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

function accountOf(rest: object = {}): ServiceAccount {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' }, ...rest };
}

function admitted(spec: Partial<NonNullable<Pod['spec']>>, account: ServiceAccount | undefined = accountOf()): Pod {
  const containers = [{ name: 'c', image: 'i' }];
  const metadata = { name: 'p', namespace: 'default' };
  const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: structuredClone({ containers, ...spec }) };
  const find = ({ name }: { name: string }) => (name === 'default' ? account : undefined);
  createServiceAccountAdmission({ random: () => 0, find }).create!(pod, WRITE);
  return pod;
}

test('the token, the CA and the namespace are mounted into every container', () => {
  const { spec } = admitted({ initContainers: [{ name: 'i', image: 'i' }] });
  const name = 'kube-api-access-bbbbb';
  assert.deepEqual(
    spec!.volumes?.map((volume) => volume.name),
    [name],
  );
  const paths = spec!.volumes![0]!.projected!.sources!.map((source) => Object.keys(source)[0]);
  assert.deepEqual(paths, ['serviceAccountToken', 'configMap', 'downwardAPI']);
  for (const container of [...spec!.containers, ...spec!.initContainers!]) {
    assert.deepEqual(container.volumeMounts, [{ name, readOnly: true, mountPath: MOUNT }], container.name);
  }
});

test('nothing is mounted where it was declined or is there already', () => {
  const own = [{ name: 'c', image: 'i', volumeMounts: [{ name: 'mine', mountPath: MOUNT }] }];
  const pods = [
    admitted({ automountServiceAccountToken: false }),
    admitted({}, accountOf({ automountServiceAccountToken: false })),
    admitted({ containers: own }),
  ];
  for (const pod of pods) assert.equal(pod.spec!.volumes, undefined);
  const asked = admitted({ automountServiceAccountToken: true }, accountOf({ automountServiceAccountToken: false }));
  assert.equal(asked.spec!.volumes?.length, 1);
});

test('a pod of an unknown account is refused', () => {
  assert.throws(() => admitted({ serviceAccountName: 'robot' }), {
    code: 403,
    message: 'pods "p" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found',
  });
});

test("the account's pull secrets are the pod's, unless it has its own", () => {
  const account = accountOf({ imagePullSecrets: [{ name: 'registry' }] });
  assert.deepEqual(admitted({}, account).spec!.imagePullSecrets, [{ name: 'registry' }]);
  const own = [{ name: 'mine' }];
  assert.deepEqual(admitted({ imagePullSecrets: own }, account).spec!.imagePullSecrets, own);
});
