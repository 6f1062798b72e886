import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserInfo } from '../request.ts';
import { type Attributes, createAuthorizer } from './authorizer.ts';
import { anonymous } from './names.ts';

const authorizer = createAuthorizer();
const user = (username: string, ...groups: string[]): UserInfo => ({
  username,
  groups: [...groups, 'system:authenticated'],
});
const admin = user('kubernetes-admin', 'system:masters');
const node = user('system:node:node-1', 'system:nodes');
const jane = user('jane');

function on(verb: string, what: string, name?: string, namespace?: string, group = ''): Attributes {
  const [resource = '', subresource] = what.split('/');
  return { verb, group, resource, subresource, namespace, name };
}

const CASES: [string, UserInfo, Attributes, boolean][] = [
  ['masters: anything', admin, on('deletecollection', 'widgets/x', undefined, 'a', 'example.com'), true],
  ['masters: any path', admin, { verb: 'post', path: '/anything' }, true],
  ['controllers: write', user('system:kube-controller-manager'), on('update', 'pods', 'x', 'a'), true],
  ['scheduler: bind', user('system:kube-scheduler'), on('create', 'pods/binding', 'x', 'a'), true],
  ['scheduler: not secrets', user('system:kube-scheduler'), on('update', 'secrets', 'x', 'a'), false],
  ['node: list pods', node, on('list', 'pods'), true],
  ['node: own status', node, on('patch', 'nodes/status', 'node-1'), true],
  ["node: another's status", node, on('patch', 'nodes/status', 'node-2'), false],
  ['node: pod status', node, on('patch', 'pods/status', 'x', 'a'), true],
  ['node: not a pod spec', node, on('update', 'pods', 'x', 'a'), false],
  ['node: own lease', node, on('update', 'leases', 'node-1', 'kube-node-lease', 'coordination.k8s.io'), true],
  ['node: token', node, on('create', 'serviceaccounts/token', 'default', 'a'), true],
  ['node: not without its group', user('system:node:node-1'), on('list', 'pods'), false],
  ['node: group alone owns nothing', user('x', 'system:nodes'), on('update', 'nodes', 'x'), false],
  ['any user: discovery', jane, { verb: 'get', path: '/apis/apps/v1' }, true],
  ['any user: self review', jane, on('create', 'selfsubjectreviews', '', '', 'authentication.k8s.io'), true],
  ['any user: nothing else', jane, on('get', 'pods', 'x', 'a'), false],
  ['anonymous: health', anonymous, { verb: 'get', path: '/livez' }, true],
  ['anonymous: keys', anonymous, { verb: 'get', path: '/openid/v1/jwks' }, true],
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
  [{ verb: 'get', path: '/metrics' }, 'forbidden: User "jane" cannot get path "/metrics"', undefined],
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

test('rulesOf: only rules of the namespace, and own names are spelled out', () => {
  const rules = authorizer.rulesOf(node, 'a');
  assert.ok(rules.some((rule) => rule.resources?.includes('nodes/status') && rule.resourceNames?.[0] === 'node-1'));
  const scheduler = user('system:kube-scheduler');
  const leases = (namespace: string) =>
    authorizer.rulesOf(scheduler, namespace).some((rule) => rule.resources?.includes('leases'));
  assert.equal(leases('kube-system'), true);
  assert.equal(leases('default'), false);
});
