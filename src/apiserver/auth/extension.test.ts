import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADMIN, JANE, startAuthServer } from './auth.fixture.ts';

async function startServer() {
  const server = await startAuthServer();
  await server.request(ADMIN, 'POST', ACCOUNTS, { metadata: { name: 'bot' } });
  return server;
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

test('OpenID documents are for service accounts', async () => {
  const { request } = await startServer();
  const nobody = { username: 'system:anonymous', groups: ['system:unauthenticated'] };
  const account = { username: 'system:serviceaccount:a:b', groups: ['system:serviceaccounts'] };
  assert.equal((await request(nobody, 'GET', '/openid/v1/jwks')).status, 403);
  const keys = await request(account, 'GET', '/openid/v1/jwks');
  assert.equal(keys.headers['content-type'], 'application/jwk-set+json');
  assert.equal(keys.body.keys.length, 1);
  assert.equal((await request(account, 'GET', '/.well-known/openid-configuration')).status, 200);
  assert.equal((await request(nobody, 'GET', '/api/v1/nodes')).status, 403);
});

test('impersonation changes who asks', async () => {
  const { auth } = await startServer();
  const certificate = { commonName: 'admin', organizations: ['system:masters'] };
  const user = await auth.authenticate({ certificate, headers: { 'impersonate-user': ['jane'] } });
  assert.deepEqual(user, JANE);
});

const HOSTILE: [string, unknown][] = [
  ['/apis/rbac.authorization.k8s.io/v1/clusterroles', { rules: null, aggregationRule: { clusterRoleSelectors: [] } }],
  ['/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {}],
  ['/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', { roleRef: null, subjects: [{}] }],
  ['/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', { subjects: [{ kind: 'ServiceAccount' }] }],
  ['/apis/certificates.k8s.io/v1/certificatesigningrequests', {}],
  [
    '/apis/certificates.k8s.io/v1/certificatesigningrequests',
    { spec: { request: 'AAAA', signerName: 'a.b/c', usages: ['any'] } },
  ],
  ['/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', { webhooks: [{}] }],
  [
    '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
    { spec: { validations: [{}], matchConditions: [{}] } },
  ],
  ['/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings', { spec: { paramRef: {} } }],
  ['/api/v1/namespaces/default/resourcequotas', { spec: { hard: { 'a b': 'x' } } }],
  ['/api/v1/namespaces/default/limitranges', { spec: { limits: [{}] } }],
  ['/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { spec: null }],
  ['/apis/authorization.k8s.io/v1/subjectaccessreviews', { spec: { groups: 'x', resourceAttributes: {} } }],
  ['/apis/authorization.k8s.io/v1/subjectaccessreviews', { spec: { nonResourceAttributes: { path: 5 } } }],
  ['/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 5 } }],
  ['/apis/authentication.k8s.io/v1/tokenreviews', []],
  [`${ACCOUNTS}/bot/token`, { spec: { audiences: 5 } }],
  [`${ACCOUNTS}/bot/token`, { spec: { boundObjectRef: 'x' } }],
];

test('bodies that lack what matters, or hold the wrong thing, are refused with a reason', async () => {
  const { request } = await startServer();
  for (const [index, [path, body]] of HOSTILE.entries()) {
    const sent = Array.isArray(body) ? body : { metadata: { name: `x${index}` }, ...(body as object) };
    const { status, body: answer } = await request(ADMIN, 'POST', path, sent);
    assert.ok(status >= 400 && status < 500, `${path} ${JSON.stringify(body)}: ${status} ${JSON.stringify(answer)}`);
    assert.notEqual(answer.message, '');
  }
});
