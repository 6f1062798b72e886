import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { createAuthority, createSigningKey, issueCertificate } from '../../pki/authority.ts';
import { FakeClock } from '../../testing/clock.ts';
import { createAuthenticator, type LookupUid } from './authenticator.ts';
import { JWKS_PATH, OPENID_CONFIGURATION_PATH, openIdDocument } from './openid.ts';
import { createTokenIssuer } from './token.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const JANE = { name: 'jane', uid: 'u-jane' };
const claim = { namespace: 'default', serviceaccount: JANE };

function setUp(uids: Record<string, string> = { 'serviceaccounts/default/jane': 'u-jane' }) {
  const clock = new FakeClock();
  const authority = createAuthority({ commonName: 'kubernetes', clock });
  const issuer = createTokenIssuer({ signingKeyPem: createSigningKey().keyPem, clock });
  const lookupUid: LookupUid = ({ resource, namespace, name }) => uids[`${resource}/${namespace ?? ''}/${name}`];
  const authenticator = createAuthenticator({
    clientCaPem: authority.certPem,
    clock,
    tokens: { issuer, lookupUid },
    staticTokens: new Map([['s3cret', { username: 'ops', groups: ['admins'] }]]),
  });
  return { clock, authority, issuer, authenticator, uids };
}

function certificateOf(authority: ReturnType<typeof createAuthority>, usage: 'client' | 'server' = 'client') {
  return new X509Certificate(
    issueCertificate(authority, { commonName: 'kate', organizations: ['dev', 'ops'], usage }).certPem,
  );
}

test('authenticate: a client certificate names the user and its groups', async () => {
  const { authority, authenticator } = setUp();
  const user = await authenticator.authenticate({ peer: certificateOf(authority) });
  assert.deepEqual(user, { username: 'kate', groups: ['dev', 'ops', 'system:authenticated'] });
});

test('authenticate: a subject that TLS has verified is believed, an empty name is not', async () => {
  const { authenticator } = setUp();
  const { username } = await authenticator.authenticate({ certificate: { commonName: 'kate', organizations: [] } });
  assert.equal(username, 'kate');
  await assert.rejects(authenticator.authenticate({ certificate: { commonName: '', organizations: ['x'] } }), {
    code: 401,
  });
});

test('authenticate: certificates that prove nothing are refused', async () => {
  const { authority, authenticator, clock } = setUp();
  const stranger = createAuthority({ commonName: 'kubernetes', clock });
  const current = certificateOf(authority);
  const refused = { name: 'ApiError', code: 401, reason: 'Unauthorized', message: 'Unauthorized' };
  await assert.rejects(authenticator.authenticate({ peer: certificateOf(stranger) }), refused);
  await assert.rejects(authenticator.authenticate({ peer: certificateOf(authority, 'server') }), refused);
  await authenticator.authenticate({ peer: current });
  clock.advance(400 * DAY_MS);
  await assert.rejects(authenticator.authenticate({ peer: current }), refused);
});

test('authenticate: without credentials anonymous, with a bad token 401', async () => {
  const { authenticator } = setUp();
  assert.deepEqual(await authenticator.authenticate({}), {
    username: 'system:anonymous',
    groups: ['system:unauthenticated'],
  });
  for (const authorization of ['Bearer nonsense', 'Bearer a.b.c', 'bearer eyJhbGciOiJub25lIn0.e30.']) {
    await assert.rejects(authenticator.authenticate({ authorization }), { code: 401 });
  }
  const anonymousOff = createAuthenticator({ clientCaPem: '', clock: new FakeClock(), anonymous: false });
  await assert.rejects(anonymousOff.authenticate({}), { code: 401 });
});

test('authenticate: static tokens, in the header or in a WebSocket protocol', async () => {
  const { authenticator } = setUp();
  const expected = { username: 'ops', groups: ['admins', 'system:authenticated'] };
  assert.deepEqual(await authenticator.authenticate({ authorization: 'Bearer s3cret' }), expected);
  const protocols = `v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.${Buffer.from('s3cret').toString('base64url')}`;
  assert.deepEqual(await authenticator.authenticate({ headers: { 'sec-websocket-protocol': [protocols] } }), expected);
});

test('authenticate: a service-account token is its account, with what it is bound to', async () => {
  const { authenticator, issuer, uids } = setUp();
  const pod = { name: 'web', uid: 'u-web' };
  uids['pods/default/web'] = 'u-web';
  const { token } = await issuer.issue({ claim: { ...claim, pod }, expirationSeconds: 600 });
  const user = await authenticator.authenticate({ authorization: `Bearer ${token}` });
  assert.equal(user.username, 'system:serviceaccount:default:jane');
  assert.equal(user.uid, 'u-jane');
  assert.deepEqual(user.groups, ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated']);
  assert.deepEqual(user.extra?.['authentication.kubernetes.io/pod-name'], ['web']);
  assert.match(user.extra?.['authentication.kubernetes.io/credential-id']?.[0] ?? '', /^JTI=/);
  uids['pods/default/web'] = 'u-another';
  await assert.rejects(authenticator.authenticate({ authorization: `Bearer ${token}` }), { code: 401 });
});

test('authenticate: tokens end with time, account, audience and key', async () => {
  const { authenticator, issuer, uids, clock } = setUp();
  const { token } = await issuer.issue({ claim, expirationSeconds: 600 });
  const authorization = `Bearer ${token}`;
  await authenticator.authenticate({ authorization });
  delete uids['serviceaccounts/default/jane'];
  await assert.rejects(authenticator.authenticate({ authorization }), { code: 401 }, 'deleted account');
  uids['serviceaccounts/default/jane'] = 'u-jane';
  clock.advance(599_000);
  await authenticator.authenticate({ authorization });
  clock.advance(1_000);
  await assert.rejects(authenticator.authenticate({ authorization }), { code: 401 }, 'expired');
  const elsewhere = await issuer.issue({ claim, expirationSeconds: 600, audiences: ['vault'] });
  await assert.rejects(authenticator.authenticate({ authorization: `Bearer ${elsewhere.token}` }), { code: 401 });
  assert.deepEqual((await authenticator.reviewToken(elsewhere.token, ['vault', 'x']))?.audiences, ['vault']);
});

test('verify: another key under the same kid, and another algorithm, are refused', async () => {
  const clock = new FakeClock();
  const key = createSigningKey();
  const issuer = createTokenIssuer({ signingKeyPem: key.keyPem, clock });
  const kid = (await issuer.jwks()).keys[0]?.kid ?? '';
  const forged = (alg: string, signer: KeyObject | Uint8Array) =>
    new SignJWT({ 'kubernetes.io': claim })
      .setProtectedHeader({ alg, kid })
      .setIssuer(issuer.issuer)
      .setAudience(issuer.issuer)
      .setSubject('system:serviceaccount:default:jane')
      .setNotBefore(0)
      .setExpirationTime(4e9)
      .sign(signer);
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  assert.equal(await issuer.verify(await forged('ES256', other)), undefined);
  const confused = createPublicKey(key.publicPem).export({ type: 'spki', format: 'pem' });
  assert.equal(await issuer.verify(await forged('HS256', Buffer.from(confused))), undefined);
});

test('createTokenIssuer: RSA keys sign RS256, former keys still verify', async () => {
  const clock = new FakeClock();
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const old = createTokenIssuer({
    signingKeyPem: rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    clock,
  });
  const { token } = await old.issue({ claim, expirationSeconds: 600 });
  const formerKeys = [rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()];
  const current = createTokenIssuer({ signingKeyPem: createSigningKey().keyPem, clock, formerKeys });
  assert.deepEqual((await current.verify(token))?.claim, claim);
  assert.deepEqual(
    (await current.jwks()).keys.map(({ alg, kty, use }) => [alg, kty, use]),
    [
      ['ES256', 'EC', 'sig'],
      ['RS256', 'RSA', 'sig'],
    ],
  );
});

test('openIdDocument: discovery names the issuer, its keys and algorithms; no private part is published', async () => {
  const issuer = createTokenIssuer({ signingKeyPem: createSigningKey().keyPem, clock: new FakeClock() });
  const configuration = await openIdDocument(issuer, OPENID_CONFIGURATION_PATH);
  assert.deepEqual(configuration?.body, {
    issuer: 'https://kubernetes.default.svc.cluster.local',
    jwks_uri: 'https://kubernetes.default.svc.cluster.local/openid/v1/jwks',
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  });
  const keys = await openIdDocument(issuer, JWKS_PATH);
  assert.equal(keys?.contentType, 'application/jwk-set+json');
  assert.doesNotMatch(JSON.stringify(keys?.body), /"d":/);
  assert.equal(await openIdDocument(issuer, '/openid/v1/other'), undefined);
});
