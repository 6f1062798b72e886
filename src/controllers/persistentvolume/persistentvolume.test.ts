import assert from 'node:assert/strict';
import { test } from 'node:test';
import { persistentVolumes } from '../../api/kinds/persistentvolume.ts';
import { persistentVolumeClaims } from '../../api/kinds/persistentvolumeclaim.ts';
import { pods } from '../../api/kinds/pod.ts';
import { storageClasses } from '../../api/kinds/storageclass.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { findVolume, mismatch } from './match.ts';

interface VolumeFacts {
  size?: string;
  modes?: string[];
  storageClass?: string;
  phase?: string;
  labels?: object;
  claimRef?: object;
}

function volume(
  name: string,
  { size = '1Gi', modes = ['ReadWriteOnce'], storageClass, phase = 'Available', labels, claimRef }: VolumeFacts = {},
): PersistentVolume {
  return {
    metadata: { name, labels },
    spec: { capacity: { storage: size }, accessModes: modes, storageClassName: storageClass, claimRef },
    status: { phase },
  } as unknown as PersistentVolume;
}

function claim(spec: object = {}): PersistentVolumeClaim {
  return {
    metadata: { name: 'data', namespace: 'default', uid: 'u' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
  } as unknown as PersistentVolumeClaim;
}

test('mismatch() says what keeps a volume from a claim', () => {
  const rows: [VolumeFacts, object, string | undefined][] = [
    [{}, {}, undefined],
    [{ size: '500Mi' }, {}, 'requested PV is too small'],
    [{ storageClass: 'fast' }, {}, 'storageClassName does not match'],
    [{ storageClass: 'fast' }, { storageClassName: 'fast' }, undefined],
    [{ modes: ['ReadOnlyMany'] }, {}, 'incompatible accessMode'],
    [{ modes: ['ReadOnlyMany', 'ReadWriteOnce'] }, {}, undefined],
    [{}, { volumeMode: 'Block' }, 'incompatible volumeMode'],
  ];
  for (const [facts, spec, expected] of rows) assert.equal(mismatch(volume('v', facts), claim(spec)), expected);
});

test('findVolume() takes what is set aside, or the smallest that fits', () => {
  const found = (volumes: PersistentVolume[], spec: object = {}, reservedOnly = false) =>
    findVolume(claim(spec), volumes, { reservedOnly })?.metadata.name;
  const sizes = [volume('big', { size: '5Gi' }), volume('fits', { size: '2Gi' }), volume('small', { size: '1Mi' })];
  assert.equal(found(sizes), 'fits');
  const mine = volume('mine', { size: '9Gi', claimRef: { namespace: 'default', name: 'data' } });
  const other = volume('other', { claimRef: { namespace: 'default', name: 'data', uid: 'another' } });
  assert.equal(found([...sizes, mine]), 'mine');
  assert.equal(found([...sizes, mine], {}, true), 'mine');
  assert.equal(found([...sizes, other], {}, true), undefined);
  assert.equal(found([other, volume('used', { phase: 'Released' })]), undefined);
  const selector = { matchLabels: { tier: 'gold' } };
  assert.equal(found([...sizes, volume('gold', { size: '9Gi', labels: { tier: 'gold' } })], { selector }), 'gold');
});

async function withCluster(run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  try {
    await cluster.addNode('node-1');
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

const KEY = { name: 'data', namespace: 'default' };
const SPEC = { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Gi' } } };

function user(name: string) {
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
  return { metadata: { name, namespace: 'default' }, spec: { containers: [{ name: 'c', image: 'i' }], volumes } };
}

function bound({ client, eventually }: TestCluster): Promise<PersistentVolumeClaim> {
  return eventually(async () => {
    const found = await client.get(persistentVolumeClaims, KEY);
    return found.status?.phase === 'Bound' ? found : undefined;
  });
}

test('a claim without a class gets a directory of the node where its first pod goes, and gives it back', () =>
  withCluster(async (cluster) => {
    const { client, eventually } = cluster;
    await client.create(persistentVolumeClaims, { metadata: KEY, spec: SPEC });
    await eventually(async () =>
      (await client.get(persistentVolumeClaims, KEY)).spec?.storageClassName === 'standard' ? true : undefined,
    );
    assert.deepEqual((await client.list(persistentVolumes)).items, []);
    await client.create(pods, user('first'));
    const claimed = await bound(cluster);
    const made = await client.get(persistentVolumes, { name: claimed.spec!.volumeName! });
    assert.equal(made.metadata.name, `pvc-${claimed.metadata.uid}`);
    assert.deepEqual([...cluster.directories], [made.spec?.hostPath?.path]);
    assert.equal(made.spec?.hostPath?.path, `/volumes/pvc-${claimed.metadata.uid}_default_data`);
    assert.deepEqual(made.spec?.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions?.[0]?.values, [
      'node-1',
    ]);
    assert.deepEqual(claimed.status, { phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' } });

    await client.delete(persistentVolumeClaims, KEY);
    const held = await client.get(persistentVolumeClaims, KEY);
    assert.deepEqual(
      [held.metadata.finalizers, held.metadata.deletionTimestamp !== undefined],
      [['kubernetes.io/pvc-protection'], true],
    );
    await client.delete(pods, { name: 'first', namespace: 'default' });
    await eventually(async () => ((await client.list(persistentVolumeClaims)).items.length === 0 ? true : undefined));
    await eventually(async () => ((await client.list(persistentVolumes)).items.length === 0 ? true : undefined));
    assert.deepEqual([...cluster.directories], []);
  }));

test('a volume made by hand is bound to the claim that fits, and kept when that is gone', () =>
  withCluster(async (cluster) => {
    const { client, eventually } = cluster;
    const spec = {
      storageClassName: '',
      accessModes: ['ReadWriteOnce' as const],
      capacity: { storage: '2Gi' },
      hostPath: { path: '/data' },
    };
    await client.create(persistentVolumes, { metadata: { name: 'mine' }, spec });
    await client.create(persistentVolumeClaims, { metadata: KEY, spec: { ...SPEC, storageClassName: '' } });
    const claimed = await bound(cluster);
    assert.deepEqual([claimed.spec?.volumeName, claimed.status?.capacity], ['mine', { storage: '2Gi' }]);
    const phase = (wanted: string) =>
      eventually(async () => {
        const found = await client.get(persistentVolumes, { name: 'mine' });
        return found.status?.phase === wanted ? found : undefined;
      });
    assert.equal((await phase('Bound')).spec?.claimRef?.uid, claimed.metadata.uid);
    await client.delete(persistentVolumes, { name: 'mine' });
    assert.ok((await client.get(persistentVolumes, { name: 'mine' })).metadata.deletionTimestamp, 'in use');
    await client.delete(persistentVolumeClaims, KEY);
    await eventually(async () => ((await client.list(persistentVolumes)).items.length === 0 ? true : undefined));
  }));

test('a claim of a class that others serve is left to them', () =>
  withCluster(async ({ client, eventually }) => {
    await client.create(storageClasses, { metadata: { name: 'cloud' }, provisioner: 'example.com/disk' });
    await client.create(persistentVolumeClaims, { metadata: KEY, spec: { ...SPEC, storageClassName: 'cloud' } });
    await eventually(async () => {
      const { metadata } = await client.get(persistentVolumeClaims, KEY);
      return metadata.annotations?.['volume.kubernetes.io/storage-provisioner'] === 'example.com/disk'
        ? true
        : undefined;
    });
  }));

test('an ephemeral volume has a claim that ends with its pod', () =>
  withCluster(async (cluster) => {
    const { client, eventually } = cluster;
    const volumes = [
      { name: 'scratch', ephemeral: { volumeClaimTemplate: { metadata: { labels: { a: 'b' } }, spec: SPEC } } },
    ];
    const containers = [{ name: 'c', image: 'i' }];
    await client.create(pods, {
      metadata: { name: 'p', namespace: 'default' },
      spec: { containers, volumes },
    } as never);
    const made = await eventually(() =>
      client.get(persistentVolumeClaims, { name: 'p-scratch', namespace: 'default' }).catch(() => undefined),
    );
    assert.deepEqual([made.metadata.labels, made.metadata.ownerReferences?.[0]?.name], [{ a: 'b' }, 'p']);
    await client.delete(pods, { name: 'p', namespace: 'default' });
    await eventually(async () => ((await client.list(persistentVolumeClaims)).items.length === 0 ? true : undefined));
  }));

test('a claim is refused what it may not ask or change', () =>
  withCluster(async ({ client, request }) => {
    const path = '/api/v1/namespaces/default/persistentvolumeclaims';
    const answer = await request('POST', path, { metadata: KEY, spec: {} });
    assert.match(
      answer.body.message,
      /spec.accessModes: Required value: at least 1 access mode is required, spec.resources\[storage\]: Required value/,
    );
    await client.create(persistentVolumeClaims, { metadata: KEY, spec: SPEC });
    const more = { spec: { resources: { requests: { storage: '2Gi' } } } };
    const changed = await request('PATCH', `${path}/data`, more, { 'content-type': 'application/merge-patch+json' });
    assert.match(changed.body.message, /spec: Forbidden: spec is immutable after creation except/);
  }));
