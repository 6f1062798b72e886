import { AUTHENTICATED, MASTERS, NODES, SERVICE_ACCOUNTS, UNAUTHENTICATED } from './names.ts';

/** `rbac.authorization.k8s.io/v1 PolicyRule`. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  /** `pods`, `pods/log`, `*`, or `*`+`/scale`. */
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  /** Only in this namespace; everywhere when left out (what a RoleBinding says in RBAC). */
  readonly namespace?: string;
  /** Only the object that is named as the asking node (the Node authorizer's rule). */
  readonly ownNode?: true;
}

/** Rules of all who are one of `users` or in one of `groups`. */
export interface RuleBinding {
  readonly users?: readonly string[];
  readonly groups?: readonly string[];
  readonly rules: readonly PolicyRule[];
}

const READ = ['get', 'list', 'watch'] as const;
const CHANGE = ['update', 'patch'] as const;
const EVERYTHING: PolicyRule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] };

const nodeRules: readonly PolicyRule[] = [
  {
    verbs: READ,
    apiGroups: [''],
    resources: ['pods', 'services', 'endpoints', 'nodes', 'configmaps', 'secrets', 'serviceaccounts', 'namespaces'],
  },
  { verbs: READ, apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'] },
  { verbs: READ, apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingressclasses', 'networkpolicies'] },
  { verbs: ['create'], apiGroups: [''], resources: ['nodes', 'pods'] },
  { verbs: CHANGE, apiGroups: [''], resources: ['nodes', 'nodes/status'], ownNode: true },
  { verbs: CHANGE, apiGroups: [''], resources: ['pods/status'] },
  { verbs: ['delete'], apiGroups: [''], resources: ['pods'] },
  { verbs: ['create', ...CHANGE], apiGroups: ['', 'events.k8s.io'], resources: ['events'] },
  { verbs: ['create'], apiGroups: ['coordination.k8s.io'], resources: ['leases'] },
  { verbs: ['get', ...CHANGE, 'delete'], apiGroups: ['coordination.k8s.io'], resources: ['leases'], ownNode: true },
  { verbs: ['create'], apiGroups: [''], resources: ['serviceaccounts/token'] },
  { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'] },
  {
    verbs: ['create'],
    apiGroups: ['authorization.k8s.io'],
    resources: ['subjectaccessreviews', 'localsubjectaccessreviews'],
  },
];

const schedulerRules: readonly PolicyRule[] = [
  { verbs: READ, apiGroups: ['*'], resources: ['*'] },
  { verbs: ['create'], apiGroups: [''], resources: ['bindings', 'pods/binding'] },
  { verbs: CHANGE, apiGroups: [''], resources: ['pods/status'] },
  { verbs: ['delete'], apiGroups: [''], resources: ['pods'] },
  { verbs: ['create', ...CHANGE], apiGroups: ['', 'events.k8s.io'], resources: ['events'] },
  { verbs: ['create', ...CHANGE], apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespace: 'kube-system' },
];

const proxyRules: readonly PolicyRule[] = [
  { verbs: READ, apiGroups: [''], resources: ['services', 'endpoints', 'nodes'] },
  { verbs: READ, apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'] },
  { verbs: ['create', ...CHANGE], apiGroups: ['', 'events.k8s.io'], resources: ['events'] },
];

/** `system:basic-user`: questions about oneself. */
const selfReviews: readonly PolicyRule[] = [
  { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
  {
    verbs: ['create'],
    apiGroups: ['authorization.k8s.io'],
    resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
  },
];

const HEALTH = ['/healthz', '/healthz/*', '/livez', '/livez/*', '/readyz', '/readyz/*', '/version', '/version/'];
const DISCOVERY = ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'];
const OPENID = ['/openid/v1/jwks', '/.well-known/openid-configuration', '/.well-known/openid-configuration/'];

/** Who may do what until RBAC objects are served: the default bindings that Kubernetes starts with. */
export const defaultBindings: readonly RuleBinding[] = [
  { groups: [MASTERS], rules: [EVERYTHING, { verbs: ['*'], nonResourceURLs: ['*'] }] },
  { users: ['system:kube-controller-manager'], rules: [EVERYTHING] },
  { users: ['system:kube-scheduler'], rules: schedulerRules },
  { users: ['system:kube-proxy'], rules: proxyRules },
  { groups: [NODES], rules: nodeRules },
  { groups: [AUTHENTICATED], rules: [...selfReviews, { verbs: ['get'], nonResourceURLs: [...DISCOVERY, ...HEALTH] }] },
  {
    groups: [AUTHENTICATED, UNAUTHENTICATED, SERVICE_ACCOUNTS],
    rules: [{ verbs: ['get'], nonResourceURLs: [...HEALTH, ...OPENID] }],
  },
];
