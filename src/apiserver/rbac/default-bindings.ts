import { AUTHENTICATED, MASTERS, NODES, SERVICE_ACCOUNTS, UNAUTHENTICATED } from '../auth/names.ts';
import { controllerRules } from './default-controller-roles.ts';
import { type BindingDefinition, events, on, READ, type RoleDefinition } from './define.ts';

const MANAGER = 'system:kube-controller-manager';
const SCHEDULER = 'system:kube-scheduler';

const controllers = Object.entries(controllerRules).map(([name, rules]) => ({
  name: `system:controller:${name}`,
  account: `kube-system/${name}`,
  rules,
}));

export const controllerRoles: readonly RoleDefinition[] = controllers.map(({ name, rules }) => ({ name, rules }));

export const defaultClusterRoleBindings: readonly BindingDefinition[] = [
  { name: 'cluster-admin', role: 'cluster-admin', groups: [MASTERS] },
  { name: 'system:monitoring', role: 'system:monitoring', groups: ['system:monitoring'] },
  { name: 'system:discovery', role: 'system:discovery', groups: [AUTHENTICATED] },
  { name: 'system:basic-user', role: 'system:basic-user', groups: [AUTHENTICATED] },
  { name: 'system:public-info-viewer', role: 'system:public-info-viewer', groups: [AUTHENTICATED, UNAUTHENTICATED] },
  { name: 'system:node-proxier', role: 'system:node-proxier', users: ['system:kube-proxy'] },
  { name: MANAGER, role: MANAGER, users: [MANAGER] },
  { name: 'system:kube-dns', role: 'system:kube-dns', serviceAccounts: ['kube-system/kube-dns'] },
  { name: SCHEDULER, role: SCHEDULER, users: [SCHEDULER] },
  { name: 'system:volume-scheduler', role: 'system:volume-scheduler', users: [SCHEDULER] },
  // The Node authorizer decides for nodes: this binding only keeps its place.
  { name: 'system:node', role: 'system:node' },
  { name: 'sampan:ingress', role: 'sampan:ingress', users: ['sampan:ingress'] },
  { name: 'sampan:dns', role: 'sampan:dns', users: ['sampan:dns'] },
  { name: 'sampan:loadbalancer', role: 'sampan:loadbalancer', users: ['sampan:loadbalancer'] },
  { name: 'sampan:node-services', role: 'sampan:node-services', groups: [NODES] },
  {
    name: 'system:service-account-issuer-discovery',
    role: 'system:service-account-issuer-discovery',
    groups: [SERVICE_ACCOUNTS],
  },
  ...controllers.map(({ name, account }) => ({ name, role: name, serviceAccounts: [account] })),
];

const AUTHENTICATION_READER = 'extension-apiserver-authentication-reader';
const MANAGER_LOCK = 'system::leader-locking-kube-controller-manager';
const SCHEDULER_LOCK = 'system::leader-locking-kube-scheduler';
const SYSTEM = 'kube-system';

/** The settings of the nodes' DNS servers. */
const DNS_SETTINGS = 'sampan:dns-settings';

export const defaultRoles: readonly RoleDefinition[] = [
  { name: DNS_SETTINGS, namespace: SYSTEM, rules: [on(READ, 'core', 'configmaps', 'kube-dns')] },
  {
    name: AUTHENTICATION_READER,
    namespace: SYSTEM,
    rules: [on(READ, 'core', 'configmaps', 'extension-apiserver-authentication')],
  },
  ...['kube-controller-manager', 'kube-scheduler'].map((name) => ({
    name: `system::leader-locking-${name}`,
    namespace: SYSTEM,
    rules: [on('watch', 'core', 'configmaps'), on('get update', 'core', 'configmaps', name)],
  })),
  { name: 'system:controller:bootstrap-signer', namespace: SYSTEM, rules: [on(READ, 'core', 'secrets')] },
  {
    name: 'system:controller:token-cleaner',
    namespace: SYSTEM,
    rules: [on(`delete ${READ}`, 'core', 'secrets'), events],
  },
  {
    name: 'system:controller:bootstrap-signer',
    namespace: 'kube-public',
    rules: [on(READ, 'core', 'configmaps'), on('update', 'core', 'configmaps', 'cluster-info'), events],
  },
];

export const defaultRoleBindings: readonly BindingDefinition[] = [
  { name: DNS_SETTINGS, namespace: SYSTEM, role: DNS_SETTINGS, groups: [NODES] },
  {
    name: `system::${AUTHENTICATION_READER}`,
    namespace: SYSTEM,
    role: AUTHENTICATION_READER,
    users: [MANAGER, SCHEDULER],
  },
  { name: MANAGER_LOCK, namespace: SYSTEM, role: MANAGER_LOCK, users: [MANAGER] },
  { name: SCHEDULER_LOCK, namespace: SYSTEM, role: SCHEDULER_LOCK, users: [SCHEDULER] },
  ...[SYSTEM, 'kube-public'].map((namespace) => ({
    name: 'system:controller:bootstrap-signer',
    namespace,
    role: 'system:controller:bootstrap-signer',
    serviceAccounts: ['kube-system/bootstrap-signer'],
  })),
  {
    name: 'system:controller:token-cleaner',
    namespace: SYSTEM,
    role: 'system:controller:token-cleaner',
    serviceAccounts: ['kube-system/token-cleaner'],
  },
];
