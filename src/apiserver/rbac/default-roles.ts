import { at, events, on, READ, type RoleDefinition, WRITE } from './define.ts';
import type { PolicyRule } from './rules.ts';

const AGGREGATE = 'rbac.authorization.k8s.io/aggregate-to-';

function aggregateTo(role: string): Record<string, string> {
  return { [`${AGGREGATE}${role}`]: 'true' };
}

const CERTIFICATES = 'certificates.k8s.io';
const CSR_ROLE = 'system:certificates.k8s.io:';
const LEGACY_WORKLOADS = 'daemonsets deployments deployments/scale replicasets replicasets/scale';

const reviewsByDelegates = [
  on('create', 'authentication.k8s.io', 'tokenreviews'),
  on('create', 'authorization.k8s.io', 'subjectaccessreviews'),
];

const viewRules: readonly PolicyRule[] = [
  on(
    READ,
    'core',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  on(
    READ,
    'core',
    'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  on(READ, 'core', 'namespaces'),
  on(READ, 'discovery.k8s.io', 'endpointslices'),
  on(
    READ,
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ),
  on(READ, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  on(READ, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  on(
    READ,
    'extensions',
    `${LEGACY_WORKLOADS} daemonsets/status deployments/status replicasets/status ingresses ingresses/status networkpolicies replicationcontrollers/scale`,
  ),
  on(READ, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  on(READ, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
];

const editRules: readonly PolicyRule[] = [
  on(READ, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  on('impersonate', 'core', 'serviceaccounts'),
  on(WRITE, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  on('create', 'core', 'pods/eviction'),
  on(
    WRITE,
    'core',
    'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  on('create', 'core', 'serviceaccounts/token'),
  on(
    WRITE,
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
  ),
  on(WRITE, 'autoscaling', 'horizontalpodautoscalers'),
  on(WRITE, 'batch', 'cronjobs jobs'),
  on(
    WRITE,
    'extensions',
    `${LEGACY_WORKLOADS} deployments/rollback ingresses networkpolicies replicationcontrollers/scale`,
  ),
  on(WRITE, 'policy', 'poddisruptionbudgets'),
  on(WRITE, 'networking.k8s.io', 'ingresses networkpolicies'),
  on(`${READ} ${WRITE}`, 'coordination.k8s.io', 'leases'),
];

/** What a node's agent may do; the Node authorizer narrows it to the node's own objects. */
export const nodeRules: readonly PolicyRule[] = [
  on('create', 'authentication.k8s.io', 'tokenreviews'),
  on('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
  on(READ, 'core', 'services'),
  on(`create ${READ}`, 'core', 'nodes'),
  on('patch update', 'core', 'nodes/status'),
  on('patch update', 'core', 'nodes'),
  events,
  on(READ, 'core', 'pods'),
  on('create delete', 'core', 'pods'),
  on('patch update', 'core', 'pods/status'),
  on('create', 'core', 'pods/eviction'),
  on(READ, 'core', 'configmaps secrets'),
  on('get', 'core', 'persistentvolumeclaims persistentvolumes'),
  on('get', 'core', 'endpoints'),
  on(`create ${READ}`, CERTIFICATES, 'certificatesigningrequests'),
  on('create delete get patch update', 'coordination.k8s.io', 'leases'),
  on('get', 'storage.k8s.io', 'volumeattachments'),
  on('create', 'core', 'serviceaccounts/token'),
  on('get patch update', 'core', 'persistentvolumeclaims/status'),
  on(READ, 'storage.k8s.io', 'csidrivers'),
  on('create delete get patch update', 'storage.k8s.io', 'csinodes'),
  on(READ, 'node.k8s.io', 'runtimeclasses'),
];

/** What the proxy, DNS and Ingress of an agent read beyond what a kubelet does. */
const nodeServiceRules: readonly PolicyRule[] = [
  on(READ, 'core', 'services endpoints nodes namespaces'),
  on(READ, 'discovery.k8s.io', 'endpointslices'),
  on(READ, 'networking.k8s.io', 'ingresses ingressclasses networkpolicies'),
  on('get patch update', 'core', 'services/status'),
  on('get patch update', 'networking.k8s.io', 'ingresses/status'),
];

function lock(name: string): PolicyRule[] {
  return [on('create', 'coordination.k8s.io', 'leases'), on('get update', 'coordination.k8s.io', 'leases', name)];
}

const controllerManagerRules: readonly PolicyRule[] = [
  events,
  ...lock('kube-controller-manager'),
  on('create', 'core', 'secrets serviceaccounts'),
  on('delete', 'core', 'secrets'),
  on('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
  on('update', 'core', 'secrets serviceaccounts'),
  ...reviewsByDelegates,
  on('list watch', '*', '*'),
  on('create', 'core', 'serviceaccounts/token'),
];

const schedulerRules: readonly PolicyRule[] = [
  events,
  ...lock('kube-scheduler'),
  on(READ, 'core', 'nodes'),
  on(`delete ${READ}`, 'core', 'pods'),
  on('create', 'core', 'bindings pods/binding'),
  on('patch update', 'core', 'pods/status'),
  on(READ, 'core', 'replicationcontrollers services'),
  on(READ, 'apps extensions', 'replicasets'),
  on(READ, 'apps', 'statefulsets'),
  on(READ, 'policy', 'poddisruptionbudgets'),
  on(READ, 'core', 'persistentvolumeclaims persistentvolumes'),
  ...reviewsByDelegates,
  on(READ, 'storage.k8s.io', 'csinodes'),
  on(READ, 'core', 'namespaces'),
  on(READ, 'storage.k8s.io', 'csidrivers'),
  on(READ, 'storage.k8s.io', 'csistoragecapacities'),
];

/** The ClusterRoles for people, which aggregation puts together. */
const userRoles: readonly RoleDefinition[] = [
  { name: 'cluster-admin', rules: [on('*', '*', '*'), at('*', '*')] },
  { name: 'admin', aggregates: `${AGGREGATE}admin`, rules: [] },
  { name: 'edit', aggregates: `${AGGREGATE}edit`, labels: aggregateTo('admin'), rules: [] },
  { name: 'view', aggregates: `${AGGREGATE}view`, labels: aggregateTo('edit'), rules: [] },
  {
    name: 'system:aggregate-to-admin',
    labels: aggregateTo('admin'),
    rules: [
      on('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
      on(`${READ} ${WRITE}`, 'rbac.authorization.k8s.io', 'rolebindings roles'),
    ],
  },
  { name: 'system:aggregate-to-edit', labels: aggregateTo('edit'), rules: editRules },
  { name: 'system:aggregate-to-view', labels: aggregateTo('view'), rules: viewRules },
];

/** The ClusterRoles that every cluster starts with (Kubernetes documentation, "Using RBAC": default roles). */
export const defaultClusterRoles: readonly RoleDefinition[] = [
  ...userRoles,
  { name: 'system:auth-delegator', rules: reviewsByDelegates },
  {
    name: 'system:basic-user',
    rules: [
      on('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
      on('create', 'authentication.k8s.io', 'selfsubjectreviews'),
    ],
  },
  ...['nodeclient', 'selfnodeclient'].map((kind) => ({
    name: `${CSR_ROLE}certificatesigningrequests:${kind}`,
    rules: [on('create', CERTIFICATES, `certificatesigningrequests/${kind}`)],
  })),
  ...['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown'].map((signer) => ({
    name: `${CSR_ROLE}${signer}-approver`,
    rules: [on('approve', CERTIFICATES, 'signers', `kubernetes.io/${signer}`)],
  })),
  {
    name: 'system:discovery',
    rules: [at('get', '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/')],
  },
  {
    name: 'system:heapster',
    rules: [on(READ, 'core', 'events namespaces nodes pods'), on(READ, 'extensions', 'deployments')],
  },
  { name: 'system:kube-aggregator', rules: [on(READ, 'core', 'endpoints services')] },
  { name: 'system:kube-controller-manager', rules: controllerManagerRules },
  { name: 'system:kube-dns', rules: [on('list watch', 'core', 'endpoints services')] },
  { name: 'system:kube-scheduler', rules: schedulerRules },
  {
    name: 'system:kubelet-api-admin',
    rules: [
      on(READ, 'core', 'nodes'),
      on('proxy', 'core', 'nodes'),
      on('*', 'core', 'nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats'),
    ],
  },
  {
    name: 'system:monitoring',
    rules: [at('get', '/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*')],
  },
  { name: 'system:node', rules: nodeRules },
  { name: 'sampan:node-services', rules: nodeServiceRules },
  {
    name: 'sampan:ingress',
    rules: [
      on('list watch', 'core', 'configmaps nodes secrets services'),
      on('list watch', 'discovery.k8s.io', 'endpointslices'),
      on('list watch', 'networking.k8s.io', 'ingressclasses ingresses'),
      on('patch', 'networking.k8s.io', 'ingresses/status'),
      events,
    ],
  },
  {
    name: 'sampan:dns',
    rules: [
      on('list watch', 'core', 'namespaces services'),
      on('list watch', 'core', 'configmaps', 'kube-dns'),
      on('list watch', 'discovery.k8s.io', 'endpointslices'),
    ],
  },
  {
    name: 'sampan:loadbalancer',
    rules: [
      on('list watch', 'core', 'nodes services'),
      on('list watch', 'discovery.k8s.io', 'endpointslices'),
      on('patch', 'core', 'services/status'),
      events,
    ],
  },
  {
    name: 'system:node-bootstrapper',
    rules: [on(`create ${READ}`, CERTIFICATES, 'certificatesigningrequests')],
  },
  {
    name: 'system:node-problem-detector',
    rules: [on('get', 'core', 'nodes'), on('patch', 'core', 'nodes/status'), events],
  },
  {
    name: 'system:node-proxier',
    rules: [
      on('list watch', 'core', 'endpoints services'),
      on(READ, 'core', 'nodes'),
      events,
      on('list watch', 'discovery.k8s.io', 'endpointslices'),
      on('list watch', 'networking.k8s.io', 'servicecidrs'),
    ],
  },
  {
    name: 'system:persistent-volume-provisioner',
    rules: [
      on(`create delete ${READ}`, 'core', 'persistentvolumes'),
      on(`update ${READ}`, 'core', 'persistentvolumeclaims'),
      on(READ, 'storage.k8s.io', 'storageclasses'),
      on('watch', 'core', 'events'),
      events,
    ],
  },
  { name: 'system:public-info-viewer', rules: [at('get', '/healthz /livez /readyz /version /version/')] },
  {
    name: 'system:service-account-issuer-discovery',
    rules: [
      at(
        'get',
        '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/',
      ),
    ],
  },
  {
    name: 'system:volume-scheduler',
    rules: [
      on(`patch update ${READ}`, 'core', 'persistentvolumes'),
      on(READ, 'storage.k8s.io', 'storageclasses'),
      on(`patch update ${READ}`, 'core', 'persistentvolumeclaims'),
    ],
  },
];
