import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigningRequest } from '../../pki/signing-request.fixture.ts';
import { ADMIN, JANE, startAuthServer } from './auth.fixture.ts';

const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const APPROVED = { type: 'Approved', status: 'True', reason: 'x' };

function requestFor(options: Parameters<typeof createSigningRequest>[0], spec = {}) {
  const request = Buffer.from(createSigningRequest(options)).toString('base64');
  const signerName = 'kubernetes.io/kube-apiserver-client';
  return { metadata: { name: 'r' }, spec: { request, signerName, usages: ['client auth'], ...spec } };
}

async function startServer() {
  const server = await startAuthServer();
  const rules = [
    {
      verbs: ['*'],
      apiGroups: ['certificates.k8s.io'],
      resources: ['certificatesigningrequests', 'certificatesigningrequests/approval'],
    },
  ];
  await server.request(ADMIN, 'POST', `${RBAC}/clusterroles`, { metadata: { name: 'csr' }, rules });
  const binding = {
    metadata: { name: 'csr' },
    roleRef: { kind: 'ClusterRole', name: 'csr' },
    subjects: [{ kind: 'User', name: 'jane' }],
  };
  await server.request(ADMIN, 'POST', `${RBAC}/clusterrolebindings`, binding);
  return server;
}

test('a request says who asked, whatever it claims, and keeps its spec', async () => {
  const { request } = await startServer();
  const { body } = await request(JANE, 'POST', REQUESTS, requestFor({ commonName: 'jane' }, { username: 'root' }));
  assert.deepEqual([body.spec.username, body.spec.groups], ['jane', JANE.groups]);
  const changed = { ...body, spec: { ...body.spec, username: 'root' } };
  assert.equal((await request(JANE, 'PUT', `${REQUESTS}/r`, changed)).body.spec.username, 'jane');
});

test('approval needs the right on the signer, changes conditions alone and is final', async () => {
  const { request } = await startServer();
  const { body } = await request(JANE, 'POST', REQUESTS, requestFor({ commonName: 'jane' }));
  const approval = { ...body, status: { conditions: [APPROVED], certificate: 'eA==' } };
  const refused = await request(JANE, 'PUT', `${REQUESTS}/r/approval`, approval);
  assert.equal(
    refused.body.message,
    'certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"',
  );
  const approved = await request(ADMIN, 'PUT', `${REQUESTS}/r/approval`, approval);
  assert.deepEqual([approved.status, approved.body.status], [200, { conditions: [APPROVED] }]);
  const taken = await request(ADMIN, 'PUT', `${REQUESTS}/r/approval`, { ...approved.body, status: {} });
  assert.match(
    taken.body.message,
    /status\.conditions: Forbidden: updates may not remove a condition of type "Approved"/,
  );
  const both = { ...approved.body, status: { conditions: [APPROVED, { ...APPROVED, type: 'Denied' }] } };
  assert.match((await request(ADMIN, 'PUT', `${REQUESTS}/r/approval`, both)).body.message, /mutually exclusive/);
  const status = await request(ADMIN, 'PUT', `${REQUESTS}/r/status`, {
    ...approved.body,
    status: { certificate: 'eA==' },
  });
  assert.deepEqual(status.body.status, { certificate: 'eA==', conditions: [APPROVED] });
});

const REFUSED: [string, object, RegExp][] = [
  [
    'no PEM',
    { metadata: { name: 'r' }, spec: { ...requestFor({ commonName: 'x' }).spec, request: 'eA==' } },
    /spec\.request: Invalid value: .*PEM block type must be CERTIFICATE REQUEST/,
  ],
  [
    'administrators',
    requestFor({ commonName: 'x', organizations: ['system:masters'] }),
    /use of kubernetes\.io\/kube-apiserver-client signer with system:masters group is not allowed/,
  ],
  [
    'the legacy signer',
    requestFor({ commonName: 'x' }, { signerName: 'kubernetes.io/legacy-unknown' }),
    /the legacy signerName is not allowed via this API version/,
  ],
  [
    'unknown usages',
    requestFor({ commonName: 'x' }, { usages: ['fun'] }),
    /spec\.usages\[0\]: Unsupported value: "fun"/,
  ],
  [
    'a short life',
    requestFor({ commonName: 'x' }, { expirationSeconds: 5 }),
    /spec\.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds \(10 minutes\)/,
  ],
];

for (const [name, body, message] of REFUSED) {
  test(`refuses ${name}`, async () => {
    const { request } = await startServer();
    const answer = await request(JANE, 'POST', REQUESTS, body);
    assert.ok(answer.status === 422 || answer.status === 403, answer.body.message);
    assert.match(answer.body.message, message);
  });
}
