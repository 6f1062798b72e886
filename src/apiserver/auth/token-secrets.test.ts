import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADMIN, startAuthServer } from './auth.fixture.ts';

const DEFAULT = '/api/v1/namespaces/default';
const metadata = { name: 'bot-token', annotations: { 'kubernetes.io/service-account.name': 'bot' } };
const type = 'kubernetes.io/service-account-token';

test('a token Secret is filled, and its token good until the Secret or the account goes', async () => {
  const { request, auth, authority, clock } = await startAuthServer();
  await request(ADMIN, 'POST', `${DEFAULT}/serviceaccounts`, { metadata: { name: 'bot' } });
  const { status, body } = await request(ADMIN, 'POST', `${DEFAULT}/secrets`, { metadata, type });
  assert.equal(status, 201, body.message);
  const text = (key: string) => Buffer.from(body.data[key], 'base64').toString();
  assert.deepEqual([text('namespace'), text('ca.crt')], ['default', authority.certPem]);
  const authorization = `Bearer ${text('token')}`;
  clock.advance(1_000_000_000);
  const user = await auth.authenticate({ authorization });
  assert.equal(user.username, 'system:serviceaccount:default:bot');
  await request(ADMIN, 'DELETE', `${DEFAULT}/secrets/bot-token`);
  await assert.rejects(auth.authenticate({ authorization }), { code: 401 });
  await request(ADMIN, 'POST', `${DEFAULT}/secrets`, { metadata, type });
  await auth.authenticate({ authorization });
  await request(ADMIN, 'DELETE', `${DEFAULT}/serviceaccounts/bot`);
  await assert.rejects(auth.authenticate({ authorization }), { code: 401 });
});

test('a token Secret says whose it is', async () => {
  const { request } = await startAuthServer();
  const { body } = await request(ADMIN, 'POST', `${DEFAULT}/secrets`, { metadata: { name: 'x' }, type });
  assert.match(body.message, /metadata\.annotations\[kubernetes\.io\/service-account\.name\]: Required value$/);
});
