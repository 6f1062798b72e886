import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { FakeClock } from '../testing/clock.ts';
import { createAuthority } from './authority.ts';
import { createSigningRequest } from './signing-request.fixture.ts';
import { issueFromRequest, readSigningRequest } from './signing-request.ts';

const HOUR_MS = 3_600_000;

test('a request is read, and becomes a certificate with its key, subject, names and usages', () => {
  const authority = createAuthority({ commonName: 'kubernetes', clock: new FakeClock() });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  for (const keys of [undefined, rsa]) {
    const pem = createSigningRequest({
      commonName: 'jane',
      organizations: ['dev', 'ops'],
      dnsNames: ['a.b'],
      ...(keys && { keys }),
    });
    const request = readSigningRequest(pem);
    assert.deepEqual([request.commonName, request.organizations], ['jane', ['dev', 'ops']]);
    assert.deepEqual(request.dnsNames, ['a.b']);
    const usages = ['digital signature', 'key encipherment', 'client auth'];
    const certificate = new X509Certificate(issueFromRequest(authority, request, { usages, validityMs: HOUR_MS }));
    assert.ok(certificate.verify(new X509Certificate(authority.certPem).publicKey));
    assert.ok(certificate.publicKey.equals(request.publicKey));
    assert.equal(certificate.subject, 'O=dev\nO=ops\nCN=jane');
    assert.equal(certificate.subjectAltName, 'DNS:a.b');
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.equal(certificate.validToDate.getTime() - certificate.validFromDate.getTime(), HOUR_MS + 300_000);
  }
});

test('what is no request, or not signed with its own key, is refused', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  assert.throws(
    () => readSigningRequest(createSigningRequest({ commonName: 'x', signer: other })),
    /invalid signature/,
  );
  assert.throws(() => readSigningRequest('x'), /PEM block type must be CERTIFICATE REQUEST/);
  const { certPem } = createAuthority({ commonName: 'x', clock: new FakeClock() });
  assert.throws(() => readSigningRequest(certPem), /PEM block type must be CERTIFICATE REQUEST/);
});
