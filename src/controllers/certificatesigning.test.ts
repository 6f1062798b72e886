import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { certificateSigningRequests } from '../api/kinds/certificatesigningrequest.ts';
import type { CertificateSigningRequest } from '../api/types.ts';
import { createAuthority } from '../pki/authority.ts';
import { createSigningRequest } from '../pki/signing-request.fixture.ts';
import { createRequestSigner } from '../pki/signing-request.ts';
import { FakeClock } from '../testing/clock.ts';
import { startTestCluster } from '../testing/cluster.ts';
import { signedStatus } from './certificatesigning.ts';

const PREFIX = 'kubernetes.io/';
const authority = createAuthority({ commonName: 'kubernetes', clock: new FakeClock() });
const signer = createRequestSigner(authority);
const APPROVED = { type: 'Approved', status: 'True' };
const NODE = { commonName: 'system:node:a', organizations: ['system:nodes'] };
const CLIENT = ['digital signature', 'client auth'];

function request(
  signerName: string,
  subject: Parameters<typeof createSigningRequest>[0],
  usages = CLIENT,
  conditions = [APPROVED],
) {
  const pem = Buffer.from(createSigningRequest(subject)).toString('base64');
  return {
    metadata: { name: 'x' },
    spec: { request: pem, signerName: `${PREFIX}${signerName}`, usages },
    status: { conditions },
  } as unknown as CertificateSigningRequest;
}

const CASES: [string, CertificateSigningRequest, string | undefined][] = [
  ['a client', request('kube-apiserver-client', { commonName: 'jane' }), 'signed'],
  ['a node', request('kube-apiserver-client-kubelet', NODE), 'signed'],
  ['a serving node', request('kubelet-serving', { ...NODE, dnsNames: ['a'] }, ['server auth']), 'signed'],
  ['one that waits', request('kube-apiserver-client', NODE, CLIENT, []), undefined],
  [
    'one that was denied',
    request('kube-apiserver-client', NODE, CLIENT, [APPROVED, { ...APPROVED, type: 'Denied' }]),
    undefined,
  ],
  ["another's signer", { ...request('x', NODE), spec: { ...request('x', NODE).spec, signerName: 'a.b/c' } }, undefined],
  [
    'a client that wants to serve',
    request('kube-apiserver-client', NODE, [...CLIENT, 'server auth']),
    'invalid usage for this signer: "server auth"',
  ],
  ['no client', request('kube-apiserver-client', NODE, ['digital signature']), 'missing usage: "client auth"'],
  [
    'no node',
    request('kube-apiserver-client-kubelet', { commonName: 'x', organizations: ['y'] }),
    'subject organization is not system:nodes',
  ],
  [
    'a node with names',
    request('kube-apiserver-client-kubelet', { ...NODE, dnsNames: ['a'] }),
    'subjectAltNames are not allowed',
  ],
  ['a server without names', request('kubelet-serving', NODE, ['server auth']), 'DNS or IP subjectAltName is required'],
];

for (const [name, csr, expected] of CASES) {
  test(`signedStatus: ${name}`, () => {
    const status = signedStatus(csr, signer, '2026-01-01T00:00:00Z');
    const failed = status?.conditions?.find(({ type }) => type === 'Failed');
    assert.equal(failed?.message ?? (status?.certificate ? 'signed' : undefined), expected);
  });
}

test('an approved request gets its certificate, and goes an hour later', async () => {
  const clock = new FakeClock();
  const { client, request: ask, eventually, stop } = await startTestCluster({ clock });
  const spec = request('kube-apiserver-client', { commonName: 'jane' }).spec;
  const created = await client.create(certificateSigningRequests, {
    metadata: { name: 'jane' },
    spec: { ...spec, expirationSeconds: 600 },
  });
  const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests/jane';
  await ask('PUT', `${path}/approval`, { ...created, status: { conditions: [APPROVED] } });
  const pem = await eventually(
    async () => (await client.get(certificateSigningRequests, { name: 'jane' })).status?.certificate,
  );
  assert.equal(new X509Certificate(Buffer.from(pem, 'base64')).subject, 'CN=jane');
  clock.advance(3_600_000);
  assert.ok(await eventually(async () => ((await ask('GET', path)).status === 404 ? true : undefined)));
  stop();
});
