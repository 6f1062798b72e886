import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../testing/clock.ts';
import { RoleIndex } from '../rbac/role-index.ts';
import { startAuthServer } from './auth.fixture.ts';
import { createAuthenticator } from './authenticator.ts';
import { createAuthorizer } from './authorizer.ts';
import { NodeGraph } from './node-graph.ts';
import { review } from './reviews.ts';

const clock = new FakeClock();
const staticTokens = new Map([['s3cret', { username: 'ops', groups: ['admins'] }]]);
const authenticator = createAuthenticator({ clientCaPem: '', clock, staticTokens });
const { store } = await startAuthServer();
const authorizer = createAuthorizer({ roles: new RoleIndex(store), nodes: new NodeGraph(store) });
const options = { authenticator, authorizer, clock };
const jane = { username: 'jane', groups: ['system:authenticated'] };
const ask = (plural: string, spec?: object, namespace?: string) =>
  review(options, { plural, user: jane, body: { spec }, ...(namespace ? { namespace } : {}) }) as Promise<{
    kind: string;
    status: Record<string, unknown>;
  }>;

test('review: SelfSubjectReview answers who asks', async () => {
  const { kind, status } = await ask('selfsubjectreviews');
  assert.equal(kind, 'SelfSubjectReview');
  assert.deepEqual(status, { userInfo: jane });
});

const pods = { verb: 'list', resource: 'pods', namespace: 'a' };
const ACCESS: [string, string, object, boolean][] = [
  ['self, forbidden', 'selfsubjectaccessreviews', { resourceAttributes: pods }, false],
  ['self, a path', 'selfsubjectaccessreviews', { nonResourceAttributes: { verb: 'get', path: '/version' } }, true],
  ['a group', 'subjectaccessreviews', { groups: ['system:masters'], resourceAttributes: pods }, true],
  ['a local one', 'localsubjectaccessreviews', { user: 'x', resourceAttributes: pods }, false],
];

for (const [name, plural, spec, allowed] of ACCESS) {
  test(`review: access of ${name}`, async () => {
    assert.equal((await ask(plural, spec, 'a')).status['allowed'], allowed);
  });
}

test('review: SelfSubjectRulesReview lists rules apart', async () => {
  const { status } = await ask('selfsubjectrulesreviews', { namespace: 'default' });
  assert.ok(
    (status['resourceRules'] as { resources: string[] }[]).some((rule) =>
      rule.resources.includes('selfsubjectreviews'),
    ),
  );
  assert.ok((status['nonResourceRules'] as object[]).every((rule) => 'nonResourceURLs' in rule));
});

test('review: TokenReview says whose token it is, or that it is nobody’s', async () => {
  assert.deepEqual((await ask('tokenreviews', { token: 's3cret' })).status['user'], {
    username: 'ops',
    groups: ['admins', 'system:authenticated'],
  });
  assert.equal((await ask('tokenreviews', { token: 'x' })).status['authenticated'], undefined);
});

const REFUSED: [string, string, object][] = [
  ['nothing asked', 'selfsubjectaccessreviews', {}],
  ['two things asked', 'selfsubjectaccessreviews', { resourceAttributes: pods, nonResourceAttributes: { path: '/' } }],
  ['no subject', 'subjectaccessreviews', { resourceAttributes: pods }],
  ['another namespace', 'localsubjectaccessreviews', { user: 'x', resourceAttributes: { ...pods, namespace: 'b' } }],
];

for (const [name, plural, spec] of REFUSED) {
  test(`review: refuses ${name}`, async () => {
    await assert.rejects(ask(plural, spec, 'a'), { name: 'ApiError', code: 422 });
  });
}
