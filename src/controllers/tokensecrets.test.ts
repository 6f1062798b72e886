import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNotFound } from '../api/errors.ts';
import { secrets } from '../api/kinds/secret.ts';
import { serviceAccounts } from '../api/kinds/serviceaccount.ts';
import { startTestCluster } from '../testing/cluster.ts';

test('a token Secret goes with its account', async () => {
  const { client, eventually, stop } = await startTestCluster();
  const key = { name: 'bot', namespace: 'default' };
  const { metadata } = await client.create(serviceAccounts, { metadata: key });
  const annotations = {
    'kubernetes.io/service-account.name': 'bot',
    'kubernetes.io/service-account.uid': metadata.uid!,
  };
  await client.create(secrets, { metadata: { ...key, annotations }, type: 'kubernetes.io/service-account-token' });
  await client.delete(serviceAccounts, key);
  const gone = () =>
    client.get(secrets, key).then(
      () => undefined,
      (error: unknown) => isNotFound(error) || undefined,
    );
  assert.equal(await eventually(gone), true);
  stop();
});
