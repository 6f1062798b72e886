import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoleIndex } from '../rbac/role-index.ts';
import type { UserInfo } from '../request.ts';
import { ADMIN, startAuthServer } from './auth.fixture.ts';
import { type Attributes, createAuthorizer } from './authorizer.ts';
import { anonymous } from './names.ts';
import { NodeGraph } from './node-graph.ts';

const { store, request } = await startAuthServer();
const authorizer = createAuthorizer({ roles: new RoleIndex(store), nodes: new NodeGraph(store) });
const user = (username: string, ...groups: string[]): UserInfo => ({
  username,
  groups: [...groups, 'system:authenticated'],
});
const admin = user('kubernetes-admin', 'system:masters');
const node = user('system:node:node-1', 'system:nodes');
const jane = user('jane');

const PODS = '/api/v1/namespaces/default/pods';
const spec = {
  nodeName: 'node-1',
  serviceAccountName: 'bot',
  containers: [{ name: 'c', image: 'x', env: [{ name: 'K', valueFrom: { secretKeyRef: { name: 'key', key: 'k' } } }] }],
  volumes: [
    { name: 'a', projected: { sources: [{ configMap: { name: 'settings' } }] } },
    { name: 'b', persistentVolumeClaim: { claimName: 'data' } },
  ],
};
const created = await request(ADMIN, 'POST', PODS, { metadata: { name: 'web' }, spec });
assert.equal(created.status, 201, created.body.message);

function on(verb: string, what: string, name?: string, namespace?: string, group = ''): Attributes {
  const [resource = '', subresource] = what.split('/');
  return { verb, group, resource, subresource, namespace, name };
}

const CASES: [string, UserInfo, Attributes, boolean][] = [
  ['masters: anything', admin, on('deletecollection', 'widgets/x', undefined, 'a', 'example.com'), true],
  ['masters: any path', admin, { verb: 'post', path: '/anything' }, true],
  ['controllers: watch all', user('system:kube-controller-manager'), on('watch', 'widgets'), true],
  ['controllers: not write all', user('system:kube-controller-manager'), on('update', 'pods', 'x', 'a'), false],
  ['scheduler: bind', user('system:kube-scheduler'), on('create', 'pods/binding', 'x', 'a'), true],
  ['scheduler: not secrets', user('system:kube-scheduler'), on('update', 'secrets', 'x', 'a'), false],
  ['node: not all pods', node, on('list', 'pods'), false],
  ['node: pods of its own', node, { ...on('list', 'pods'), fieldSelector: 'spec.nodeName=node-1' }, true],
  ["node: not another's", node, { ...on('watch', 'pods'), fieldSelector: 'spec.nodeName=node-2' }, false],
  ['node: all Services', node, on('watch', 'services'), true],
  ['node: all Nodes, for routes', node, on('watch', 'nodes'), true],
  ['node: not all Secrets', node, on('list', 'secrets'), false],
  ['node: Secret of its pod', node, on('get', 'secrets', 'key', 'default'), true],
  ['node: its alone in a watch', node, on('watch', 'secrets', 'key', 'default'), true],
  ['node: no other Secret', node, on('get', 'secrets', 'other', 'default'), false],
  ['node: no Secret of that name elsewhere', node, on('get', 'secrets', 'key', 'kube-system'), false],
  ['node: ConfigMap of its pod', node, on('get', 'configmaps', 'settings', 'default'), true],
  ['node: claim of its pod', node, on('get', 'persistentvolumeclaims', 'data', 'default'), true],
  ['node: no writing of Secrets', node, on('update', 'secrets', 'key', 'default'), false],
  ['node: own status', node, on('patch', 'nodes/status', 'node-1'), true],
  ['node: pod status', node, on('patch', 'pods/status', 'x', 'a'), true],
  ['node: not a pod spec', node, on('update', 'pods', 'x', 'a'), false],
  ['node: own lease', node, on('update', 'leases', 'node-1', 'kube-node-lease', 'coordination.k8s.io'), true],
  ["node: no other's lease", node, on('update', 'leases', 'node-2', 'kube-node-lease', 'coordination.k8s.io'), false],
  ['node: token of its pod', node, on('create', 'serviceaccounts/token', 'bot', 'default'), true],
  ['node: no other token', node, on('create', 'serviceaccounts/token', 'other', 'default'), false],
  ['node: not without its group', user('system:node:node-1'), on('list', 'pods'), false],
  ['node: group alone owns nothing', user('x', 'system:nodes'), on('update', 'nodes', 'x'), false],
  ['any user: discovery', jane, { verb: 'get', path: '/apis/apps/v1' }, true],
  ['any user: self review', jane, on('create', 'selfsubjectreviews', '', '', 'authentication.k8s.io'), true],
  ['any user: nothing else', jane, on('get', 'pods', 'x', 'a'), false],
  ['anonymous: health', anonymous, { verb: 'get', path: '/livez' }, true],
  ['anonymous: no keys', anonymous, { verb: 'get', path: '/openid/v1/jwks' }, false],
  ['anonymous: version', anonymous, { verb: 'get', path: '/version' }, true],
  ['anonymous: no discovery', anonymous, { verb: 'get', path: '/api' }, false],
  ['anonymous: no writes', anonymous, { verb: 'post', path: '/livez' }, false],
];

for (const [name, who, attributes, allowed] of CASES) {
  test(`allows: ${name} is ${allowed ? 'allowed' : 'forbidden'}`, () => {
    assert.equal(authorizer.allows(who, attributes), allowed);
  });
}

const WORDS: [Attributes, string, object | undefined][] = [
  [
    on('list', 'pods', undefined, 'default'),
    'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
    { kind: 'pods', name: undefined, group: undefined },
  ],
  [
    on('get', 'deployments/scale', 'web', 'default', 'apps'),
    'deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments/scale" in API group "apps" in the namespace "default"',
    { kind: 'deployments', name: 'web', group: 'apps' },
  ],
  [
    on('list', 'nodes'),
    'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope',
    { kind: 'nodes', name: undefined, group: undefined },
  ],
  [{ verb: 'get', path: '/metrics' }, 'forbidden: User "jane" cannot get path "/metrics"', {}],
];

for (const [attributes, message, details] of WORDS) {
  test(`authorize: ${message}`, () => {
    assert.throws(() => authorizer.authorize(jane, attributes), {
      name: 'ApiError',
      code: 403,
      reason: 'Forbidden',
      message,
      details,
    });
  });
}

test('a node loses sight of what its last pod used', async () => {
  const elsewhere = { ...spec, nodeName: 'node-9' };
  await request(ADMIN, 'POST', PODS, { metadata: { name: 'gone' }, spec: elsewhere });
  const other = user('system:node:node-9', 'system:nodes');
  assert.equal(authorizer.allows(other, on('get', 'secrets', 'key', 'default')), true);
  await request(ADMIN, 'DELETE', `${PODS}/gone`, { gracePeriodSeconds: 0 });
  assert.deepEqual(authorizer.decide(other, on('get', 'secrets', 'key', 'default')), {
    allowed: false,
    reason: "no relationship found between node 'node-9' and this object",
  });
});

test('rulesOf: what roles give; a node is told that there is more', () => {
  const { rules, incomplete } = authorizer.rulesOf(jane, 'default');
  assert.ok(rules.some((rule) => rule.resources?.includes('selfsubjectreviews')));
  assert.equal(incomplete, '');
  assert.match(authorizer.rulesOf(node, 'default').incomplete, /node authorizer/);
});
