import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from '../../api/registry.ts';
import type { KubeObject } from '../../api/types.ts';
import { silentLogger } from '../../lib/log.ts';
import { createAuthority, createSigningKey } from '../../pki/authority.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { FakeClock } from '../../testing/clock.ts';
import { Catalog } from '../catalog.ts';
import { inProcessTransport } from '../in-process.ts';
import type { UserInfo } from '../request.ts';
import { createApiServer } from '../server.ts';
import { createAuth } from './extension.ts';

const ADMIN = { username: 'admin', groups: ['system:masters', 'system:authenticated'] };
const JANE = { username: 'jane', groups: ['system:authenticated'] };

async function startServer() {
  const clock = new FakeClock();
  const find = (path: string): KubeObject | undefined => server.locate(path)?.object;
  const clientCaPem = createAuthority({ commonName: 'kubernetes', clock }).certPem;
  const auth = createAuth({ clientCaPem, signingKeyPem: createSigningKey().keyPem, find, clock });
  const server = createApiServer({
    store: createMemoryStore(),
    catalog: new Catalog(registry),
    clock,
    random: () => 0.5,
    log: silentLogger,
    authorize: auth.authorize,
    subresources: auth.subresources,
    paths: auth.paths,
  });
  const request = async (user: UserInfo, method: string, path: string, body?: unknown) => {
    const answer = await inProcessTransport(server, user)({ method, path, body: body ? JSON.stringify(body) : '' });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    return {
      status: answer.status,
      headers: answer.headers,
      // biome-ignore lint/suspicious/noExplicitAny: answers of every kind
      body: JSON.parse(Buffer.concat(chunks).toString()) as any,
    };
  };
  await request(ADMIN, 'POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  await request(ADMIN, 'POST', ACCOUNTS, { metadata: { name: 'bot' } });
  return { auth, request, clock };
}

const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts';

test('a token that was asked for authenticates, until its account is deleted', async () => {
  const { auth, request } = await startServer();
  const { status, body } = await request(ADMIN, 'POST', `${ACCOUNTS}/bot/token`, { spec: { expirationSeconds: 600 } });
  assert.equal(status, 201);
  const authorization = `Bearer ${body.status.token}`;
  const user = await auth.authenticate({ authorization });
  assert.equal(user.username, 'system:serviceaccount:default:bot');
  assert.equal((await request(user, 'GET', ACCOUNTS)).status, 403);
  await request(ADMIN, 'DELETE', `${ACCOUNTS}/bot`);
  await assert.rejects(auth.authenticate({ authorization }), { code: 401 });
});

test('a token for a missing account is not found', async () => {
  const { request } = await startServer();
  const { status, body } = await request(ADMIN, 'POST', `${ACCOUNTS}/nobody/token`, {});
  assert.deepEqual([status, body.message], [404, 'serviceaccounts "nobody" not found']);
});

test('reviews: anyone may ask about themselves, only some about others', async () => {
  const { request } = await startServer();
  const self = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const spec = { resourceAttributes: { verb: 'list', resource: 'pods' } };
  const answers = await Promise.all([ADMIN, JANE].map((user) => request(user, 'POST', self, { spec })));
  assert.deepEqual(
    answers.map(({ body }) => body.status.allowed),
    [true, false],
  );
  const others = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  const refused = await request(JANE, 'POST', others, { spec: { ...spec, user: 'x' } });
  assert.equal(refused.status, 403);
  assert.match(
    refused.body.message,
    /cannot create resource "subjectaccessreviews" in API group "authorization.k8s.io" at the cluster/,
  );
  assert.equal((await request(ADMIN, 'POST', others, { spec: { ...spec, user: 'x' } })).status, 201);
});

test('OpenID documents are for everyone', async () => {
  const { request } = await startServer();
  const nobody = { username: 'system:anonymous', groups: ['system:unauthenticated'] };
  const keys = await request(nobody, 'GET', '/openid/v1/jwks');
  assert.equal(keys.headers['content-type'], 'application/jwk-set+json');
  assert.equal(keys.body.keys.length, 1);
  assert.equal((await request(nobody, 'GET', '/.well-known/openid-configuration')).status, 200);
  assert.equal((await request(nobody, 'GET', '/api/v1/nodes')).status, 403);
});

test('impersonation changes who asks', async () => {
  const { auth } = await startServer();
  const certificate = { commonName: 'admin', organizations: ['system:masters'] };
  const user = await auth.authenticate({ certificate, headers: { 'impersonate-user': ['jane'] } });
  assert.deepEqual(user, JANE);
});
