import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADMIN, type AuthServer, JANE, startAuthServer } from '../auth/auth.fixture.ts';
import { bootstrapObjects } from '../bootstrap.ts';
import { missingRules } from './coverage.ts';
import { formatRule } from './rules.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const IN_DEFAULT = `${RBAC}/namespaces/default`;
const PODS = '/api/v1/namespaces/default/pods';
const readPods = { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] };
const toJane = [{ kind: 'User', name: 'jane' }];

function roleRef(kind: string, name: string) {
  return { apiGroup: 'rbac.authorization.k8s.io', kind, name };
}

async function grant({ request }: AuthServer, name: string, rules: object[]) {
  const role = await request(ADMIN, 'POST', `${IN_DEFAULT}/roles`, { metadata: { name }, rules });
  assert.equal(role.status, 201, role.body.message);
  const binding = { metadata: { name }, roleRef: roleRef('Role', name), subjects: toJane };
  const bound = await request(ADMIN, 'POST', `${IN_DEFAULT}/rolebindings`, binding);
  assert.equal(bound.status, 201, bound.body.message);
}

test('a Role is good in its namespace, from the moment that its binding is answered, until it goes', async () => {
  const server = await startAuthServer();
  const { request } = server;
  const refused = await request(JANE, 'GET', PODS);
  assert.equal(
    refused.body.message,
    'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  await grant(server, 'reader', [readPods]);
  assert.equal((await request(JANE, 'GET', PODS)).status, 200);
  assert.equal((await request(JANE, 'GET', '/api/v1/namespaces/kube-system/pods')).status, 403);
  assert.equal((await request(JANE, 'GET', '/api/v1/pods')).status, 403);
  assert.equal((await request(JANE, 'POST', PODS, {})).status, 403);
  await request(ADMIN, 'DELETE', `${IN_DEFAULT}/roles/reader`);
  const gone = await request(JANE, 'GET', PODS);
  assert.match(
    gone.body.message,
    /in the namespace "default": RBAC: role\.rbac\.authorization\.k8s\.io "reader" not found$/,
  );
  await request(ADMIN, 'DELETE', `${IN_DEFAULT}/rolebindings/reader`);
  assert.deepEqual((await request(JANE, 'GET', PODS)).body, refused.body);
});

test('subjects: groups and service accounts, ClusterRoles in one namespace and in all', async () => {
  const { request } = await startAuthServer();
  const account = { username: 'system:serviceaccount:default:bot', groups: ['system:serviceaccounts'] };
  const dev = { username: 'x', groups: ['dev'] };
  await request(ADMIN, 'POST', `${RBAC}/clusterroles`, { metadata: { name: 'pods' }, rules: [readPods] });
  const subjects = [{ kind: 'ServiceAccount', name: 'bot' }];
  const local = { metadata: { name: 'l' }, roleRef: roleRef('ClusterRole', 'pods'), subjects };
  await request(ADMIN, 'POST', `${IN_DEFAULT}/rolebindings`, local);
  const wide = { metadata: { name: 'w' }, roleRef: roleRef('ClusterRole', 'pods') };
  await request(ADMIN, 'POST', `${RBAC}/clusterrolebindings`, { ...wide, subjects: [{ kind: 'Group', name: 'dev' }] });
  const answers = [];
  for (const user of [account, dev]) {
    for (const path of [PODS, '/api/v1/pods']) answers.push((await request(user, 'GET', path)).status);
  }
  assert.deepEqual(answers, [200, 403, 200, 200]);
});

test('nobody grants what he does not have', async () => {
  const server = await startAuthServer();
  const { request } = server;
  const rbacAdmin = { verbs: ['*'], apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'] };
  const noBindNorEscalate = { ...rbacAdmin, verbs: ['create', 'update', 'get'] };
  await grant(server, 'own', [noBindNorEscalate, readPods]);
  const secrets = { verbs: ['get', 'list'], apiGroups: [''], resources: ['secrets', 'pods'] };
  const refused = await request(JANE, 'POST', `${IN_DEFAULT}/roles`, { metadata: { name: 'x' }, rules: [secrets] });
  assert.deepEqual(
    [refused.status, refused.body.message],
    [
      403,
      'roles.rbac.authorization.k8s.io "x" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
    ],
  );
  const held = await request(JANE, 'POST', `${IN_DEFAULT}/roles`, { metadata: { name: 'x' }, rules: [readPods] });
  assert.equal(held.status, 201);
  const widened = { ...held.body, rules: [secrets] };
  assert.equal((await request(JANE, 'PUT', `${IN_DEFAULT}/roles/x`, widened)).status, 403);
  const binding = { metadata: { name: 'b' }, roleRef: roleRef('ClusterRole', 'cluster-admin'), subjects: toJane };
  const bound = await request(JANE, 'POST', `${IN_DEFAULT}/rolebindings`, binding);
  assert.equal(bound.status, 403);
  assert.match(bound.body.message, /^rolebindings\.rbac\.authorization\.k8s\.io "b" is forbidden: user "jane"/);
  await grant(server, 'bind', [{ ...rbacAdmin, verbs: ['bind'], resources: ['clusterroles'] }]);
  assert.equal((await request(JANE, 'POST', `${IN_DEFAULT}/rolebindings`, binding)).status, 201);
  assert.equal((await request(JANE, 'PUT', `${IN_DEFAULT}/roles/x`, widened)).status, 200);
});

test('default roles: made once, mended at the next start, left alone when told so', async () => {
  const server = await startAuthServer();
  const { request, store } = server;
  const { revision } = store;
  await bootstrapObjects(server.server);
  assert.equal(store.revision, revision);
  const path = `${RBAC}/clusterroles/system:discovery`;
  const discovery = (await request(ADMIN, 'GET', path)).body;
  assert.equal(discovery.metadata.annotations['rbac.authorization.kubernetes.io/autoupdate'], 'true');
  const extra = { verbs: ['get'], nonResourceURLs: ['/extra'] };
  await request(ADMIN, 'PUT', path, { ...discovery, rules: [extra] });
  await bootstrapObjects(server.server);
  const { rules } = (await request(ADMIN, 'GET', path)).body;
  assert.deepEqual(rules[0], extra);
  const urls = rules.slice(1).flatMap((rule: { nonResourceURLs: string[] }) => rule.nonResourceURLs);
  assert.deepEqual(new Set(urls), new Set(discovery.rules[0].nonResourceURLs));
  const alone = { ...discovery, rules: [extra] };
  alone.metadata = { ...alone.metadata, resourceVersion: undefined };
  alone.metadata.annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' };
  await request(ADMIN, 'PUT', path, alone);
  await bootstrapObjects(server.server);
  assert.deepEqual((await request(ADMIN, 'GET', path)).body.rules, [extra]);
});

const INVALID: [string, string, object, RegExp][] = [
  [
    'no verbs',
    'roles',
    { rules: [{ apiGroups: [''], resources: ['pods'] }] },
    /rules\[0\]\.verbs: Required value: verbs/,
  ],
  ['no groups', 'roles', { rules: [{ verbs: ['get'], resources: ['x'] }] }, /rules\[0\]\.apiGroups: Required value/],
  [
    'paths in a namespace',
    'roles',
    { rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }] },
    /nonResourceURLs: Invalid value: \["\/x"\]: namespaced rules cannot apply to non-resource URLs/,
  ],
  [
    'a role of another kind',
    'rolebindings',
    { roleRef: { kind: 'Rule', name: 'x' } },
    /roleRef\.kind: Unsupported value: "Rule": supported values: "Role", "ClusterRole"/,
  ],
  [
    'a subject of another kind',
    'rolebindings',
    { roleRef: { kind: 'Role', name: 'x' }, subjects: [{ kind: 'Robot', name: 'x' }] },
    /subjects\[0\]\.kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"/,
  ],
];

for (const [name, plural, fields, message] of INVALID) {
  test(`validation refuses ${name}`, async () => {
    const { request } = await startAuthServer();
    const { status, body } = await request(ADMIN, 'POST', `${IN_DEFAULT}/${plural}`, {
      metadata: { name: 'x' },
      ...fields,
    });
    assert.equal(status, 422, body.message);
    assert.match(body.message, message);
  });
}

test('what a binding refers to never changes', async () => {
  const { request } = await startAuthServer();
  const binding = { metadata: { name: 'x' }, roleRef: roleRef('ClusterRole', 'view'), subjects: toJane };
  await request(ADMIN, 'POST', `${IN_DEFAULT}/rolebindings`, binding);
  const changed = { ...binding, roleRef: roleRef('ClusterRole', 'edit') };
  const { status, body } = await request(ADMIN, 'PUT', `${IN_DEFAULT}/rolebindings/x`, changed);
  assert.equal(status, 422);
  assert.match(body.message, /roleRef: Invalid value: .*: cannot change roleRef$/);
});

const HELD = [
  { verbs: ['*'], apiGroups: ['apps'], resources: ['deployments', '*/scale'] },
  { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a', 'b'] },
  { verbs: ['get'], nonResourceURLs: ['/healthz/*'] },
];
const COVERAGE: [string, object, string[]][] = [
  ['verbs under *', { verbs: ['get', '*'], apiGroups: ['apps'], resources: ['deployments'] }, []],
  ['any scale', { verbs: ['get'], apiGroups: ['apps'], resources: ['statefulsets/scale'] }, []],
  ['one of the names', { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['b'] }, []],
  ['paths below', { verbs: ['get'], nonResourceURLs: ['/healthz/etcd'] }, []],
  [
    'all names',
    { verbs: ['get'], apiGroups: [''], resources: ['secrets'] },
    ['{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'],
  ],
  [
    'one group more',
    { verbs: ['get', 'list'], apiGroups: ['apps', 'batch'], resources: ['deployments'] },
    ['{APIGroups:["batch"], Resources:["deployments"], Verbs:["get" "list"]}'],
  ],
];

for (const [name, wanted, missing] of COVERAGE) {
  test(`missingRules: ${name}`, () => {
    assert.deepEqual(missingRules(HELD, [wanted as (typeof HELD)[0]]).map(formatRule), missing);
  });
}
