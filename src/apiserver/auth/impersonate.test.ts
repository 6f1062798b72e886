import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthorizer } from './authorizer.ts';
import { type Headers, impersonate } from './impersonate.ts';

const authorizer = createAuthorizer();
const admin = { username: 'admin', groups: ['system:masters', 'system:authenticated'] };
const jane = { username: 'jane', groups: ['system:authenticated'] };

const CASES: [string, Headers, object][] = [
  ['no headers', { accept: ['x'] }, admin],
  ['a user', { 'impersonate-user': ['jane'] }, jane],
  [
    'groups, uid and extras',
    {
      'impersonate-user': ['jane'],
      'impersonate-group': ['dev', 'ops, all'],
      'impersonate-uid': ['7'],
      'impersonate-extra-scopes%2fview': ['a', 'b'],
    },
    { ...jane, groups: ['dev', 'ops, all', 'system:authenticated'], uid: '7', extra: { 'scopes/view': ['a', 'b'] } },
  ],
  [
    'a service account',
    { 'impersonate-user': ['system:serviceaccount:web:default'] },
    {
      username: 'system:serviceaccount:web:default',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:web', 'system:authenticated'],
    },
  ],
  [
    'nobody',
    { 'impersonate-user': ['system:anonymous'] },
    { username: 'system:anonymous', groups: ['system:unauthenticated'] },
  ],
];

for (const [name, headers, expected] of CASES) {
  test(`impersonate: ${name}`, () => {
    assert.deepEqual(impersonate(authorizer, admin, headers), expected);
  });
}

test('impersonate: who may not is refused, also for the group alone', () => {
  assert.throws(() => impersonate(authorizer, jane, { 'impersonate-user': ['admin'] }), {
    code: 403,
    message:
      'users "admin" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope',
  });
  const usersOnly = createAuthorizer({
    bindings: [{ users: ['jane'], rules: [{ verbs: ['impersonate'], apiGroups: [''], resources: ['users'] }] }],
  });
  const headers = { 'impersonate-user': ['bob'], 'impersonate-group': ['system:masters'] };
  assert.throws(() => impersonate(usersOnly, jane, headers), {
    code: 403,
    message: /^groups "system:masters" is forbidden/,
  });
  assert.throws(() => impersonate(authorizer, admin, { 'impersonate-group': ['x'] }), { code: 400 });
});
