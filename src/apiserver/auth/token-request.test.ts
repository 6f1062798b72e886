import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigningKey } from '../../pki/authority.ts';
import { FakeClock } from '../../testing/clock.ts';
import { createTokenIssuer } from './token.ts';
import { type BindableObject, requestToken } from './token-request.ts';

const objects: Record<string, BindableObject> = {
  'serviceaccounts/default/jane': { metadata: { name: 'jane', uid: 'u-jane' } },
  'pods/default/web': { metadata: { name: 'web', uid: 'u-web' }, spec: { serviceAccountName: 'jane', nodeName: 'n1' } },
  'pods/default/other': { metadata: { name: 'other', uid: 'u-other' }, spec: { serviceAccountName: 'default' } },
  'secrets/default/s': { metadata: { name: 's', uid: 'u-s' } },
  'nodes//n1': { metadata: { name: 'n1', uid: 'u-n1' } },
};
const clock = new FakeClock();
const issuer = createTokenIssuer({ signingKeyPem: createSigningKey().keyPem, clock });
const options = {
  issuer,
  clock,
  lookup: ({ resource, namespace = '', name }: { resource: string; namespace?: string | undefined; name: string }) =>
    objects[`${resource}/${namespace}/${name}`],
};
const ask = (spec: unknown, name = 'jane') =>
  requestToken(options, { namespace: 'default', name, body: { kind: 'TokenRequest', spec } }) as Promise<{
    spec: Record<string, unknown>;
    status: { token: string; expirationTimestamp: string };
  }>;

test('requestToken: defaults are one hour and the server as audience', async () => {
  const { spec, status } = await ask({});
  assert.deepEqual(spec, { audiences: [issuer.issuer], expirationSeconds: 3600 });
  assert.equal(status.expirationTimestamp, '2026-01-01T01:00:00Z');
  const verified = await issuer.verify(status.token);
  assert.deepEqual(verified?.claim, { namespace: 'default', serviceaccount: { name: 'jane', uid: 'u-jane' } });
});

test('requestToken: bound to a pod, the token names pod and node', async () => {
  const { status } = await ask({
    audiences: ['vault'],
    boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'web' },
  });
  const verified = await issuer.verify(status.token);
  assert.deepEqual(verified?.audiences, ['vault']);
  assert.deepEqual(verified?.claim.pod, { name: 'web', uid: 'u-web' });
  assert.deepEqual(verified?.claim.node, { name: 'n1', uid: 'u-n1' });
});

const REFUSED: [string, unknown, string, number, RegExp][] = [
  ['no account', {}, 'nobody', 404, /^serviceaccounts "nobody" not found$/],
  [
    'too short',
    { expirationSeconds: 599 },
    'jane',
    422,
    /spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes$/,
  ],
  ['too long', { expirationSeconds: 2 ** 32 + 1 }, 'jane', 422, /larger than 2\^32 seconds$/],
  ['no number', { expirationSeconds: 'soon' }, 'jane', 422, /must be an integer/],
  ['missing pod', { boundObjectRef: { kind: 'Pod', name: 'x' } }, 'jane', 404, /^pods "x" not found$/],
  ["another's pod", { boundObjectRef: { kind: 'Pod', name: 'other' } }, 'jane', 400, /different serviceaccount name/],
  [
    'old uid',
    { boundObjectRef: { kind: 'Secret', name: 's', uid: 'u-0' } },
    'jane',
    409,
    /does not match the UID in record/,
  ],
  [
    'wrong kind',
    { boundObjectRef: { kind: 'ConfigMap', name: 's' } },
    'jane',
    400,
    /cannot bind token to object of type/,
  ],
];

for (const [name, spec, account, code, message] of REFUSED) {
  test(`requestToken: refuses ${name}`, async () => {
    await assert.rejects(ask(spec, account), { name: 'ApiError', code, message });
  });
}
