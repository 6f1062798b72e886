import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoleIndex } from '../rbac/role-index.ts';
import { ADMIN, startAuthServer } from './auth.fixture.ts';
import { createAuthorizer } from './authorizer.ts';
import { type Headers, impersonate } from './impersonate.ts';
import { NodeGraph } from './node-graph.ts';

const { store, request } = await startAuthServer();
const authorizer = createAuthorizer({ roles: new RoleIndex(store), nodes: new NodeGraph(store) });
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

test('impersonate: who may not is refused, also for the group alone', async () => {
  assert.throws(() => impersonate(authorizer, jane, { 'impersonate-user': ['admin'] }), {
    code: 403,
    message:
      'users "admin" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope',
  });
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const rules = [{ verbs: ['impersonate'], apiGroups: [''], resources: ['users'] }];
  await request(ADMIN, 'POST', `${rbac}/clusterroles`, { metadata: { name: 'users-only' }, rules });
  const roleRef = { kind: 'ClusterRole', name: 'users-only' };
  const subjects = [{ kind: 'User', name: 'jane' }];
  await request(ADMIN, 'POST', `${rbac}/clusterrolebindings`, { metadata: { name: 'x' }, roleRef, subjects });
  const headers = { 'impersonate-user': ['bob'], 'impersonate-group': ['system:masters'] };
  assert.throws(() => impersonate(authorizer, jane, headers), {
    code: 403,
    message: /^groups "system:masters" is forbidden/,
  });
  assert.throws(() => impersonate(authorizer, admin, { 'impersonate-group': ['x'] }), { code: 400 });
});
