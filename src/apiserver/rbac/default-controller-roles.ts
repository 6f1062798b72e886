import { events, on, READ, WRITE } from './define.ts';
import type { PolicyRule } from './rules.ts';

const SCALE_READ = on('get', '*', '*/scale');

/** Finalizers of an owner, which whoever blocks its deletion must be able to change. */
function finalizers(group: string, plural: string): PolicyRule {
  return on('update', group, `${plural}/finalizers`);
}

/** Rules of `system:controller:<name>`, bound to the ServiceAccount of that name in `kube-system`. */
export const controllerRules: Readonly<Record<string, readonly PolicyRule[]>> = {
  'certificate-controller': [
    on(`delete ${READ}`, 'certificates.k8s.io', 'certificatesigningrequests'),
    on('update', 'certificates.k8s.io', 'certificatesigningrequests/approval certificatesigningrequests/status'),
    on('approve', 'certificates.k8s.io', 'signers', 'kubernetes.io/kube-apiserver-client-kubelet'),
    on(
      'sign',
      'certificates.k8s.io',
      'signers',
      'kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown',
    ),
    on('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    events,
  ],
  'clusterrole-aggregation-controller': [
    on(`escalate patch update ${READ}`, 'rbac.authorization.k8s.io', 'clusterroles'),
  ],
  'cronjob-controller': [
    on(`update ${READ}`, 'batch', 'cronjobs'),
    on(`create delete patch update ${READ}`, 'batch', 'jobs'),
    on('update', 'batch', 'cronjobs/status'),
    finalizers('batch', 'cronjobs'),
    on('delete list watch', 'core', 'pods'),
    events,
  ],
  'daemon-set-controller': [
    on(READ, 'apps extensions', 'daemonsets'),
    on('update', 'apps extensions', 'daemonsets/status'),
    finalizers('apps extensions', 'daemonsets'),
    on('list watch', 'core', 'nodes'),
    on('create delete list patch watch', 'core', 'pods'),
    on('create', 'core', 'pods/binding'),
    on(`create delete patch update ${READ}`, 'apps', 'controllerrevisions'),
    events,
  ],
  'deployment-controller': [
    on(`update ${READ}`, 'apps extensions', 'deployments'),
    on('update', 'apps extensions', 'deployments/status'),
    finalizers('apps extensions', 'deployments'),
    on(`create delete patch update ${READ}`, 'apps extensions', 'replicasets'),
    on(`update ${READ}`, 'core', 'pods'),
    events,
  ],
  'disruption-controller': [
    on(READ, 'apps extensions', 'deployments'),
    on(READ, 'apps extensions', 'replicasets'),
    on(READ, 'core', 'replicationcontrollers'),
    on(READ, 'policy', 'poddisruptionbudgets'),
    on(READ, 'apps', 'statefulsets'),
    on('update', 'policy', 'poddisruptionbudgets/status'),
    on('patch update', 'core', 'pods/status'),
    SCALE_READ,
    events,
  ],
  'endpoint-controller': [
    on(READ, 'core', 'pods services'),
    on(`create delete update ${READ}`, 'core', 'endpoints'),
    on('create', 'core', 'endpoints/restricted'),
    events,
  ],
  'endpointslice-controller': [
    on(READ, 'core', 'nodes pods services'),
    finalizers('core', 'services'),
    on(`create delete update ${READ}`, 'discovery.k8s.io', 'endpointslices'),
    events,
  ],
  'endpointslicemirroring-controller': [
    on(READ, 'core', 'endpoints services'),
    finalizers('core', 'services'),
    finalizers('core', 'endpoints'),
    on(`create delete update ${READ}`, 'discovery.k8s.io', 'endpointslices'),
    events,
  ],
  'generic-garbage-collector': [on(`delete patch update ${READ}`, '*', '*'), events],
  'horizontal-pod-autoscaler': [
    on(READ, 'autoscaling', 'horizontalpodautoscalers'),
    on('update', 'autoscaling', 'horizontalpodautoscalers/status'),
    on('get update', '*', '*/scale'),
    on('list watch', 'core', 'pods'),
    on('list watch', 'metrics.k8s.io', 'pods'),
    events,
  ],
  'job-controller': [
    on(`patch update ${READ}`, 'batch', 'jobs'),
    on('update', 'batch', 'jobs/status'),
    finalizers('batch', 'jobs'),
    on('create delete list patch watch', 'core', 'pods'),
    events,
  ],
  'namespace-controller': [
    on(`delete ${READ}`, 'core', 'namespaces'),
    on('update', 'core', 'namespaces/finalize namespaces/status'),
    on(`delete deletecollection ${READ}`, '*', '*'),
  ],
  'node-controller': [
    on(`delete patch update ${READ}`, 'core', 'nodes'),
    on('patch update', 'core', 'nodes/status'),
    on('patch update', 'core', 'pods/status'),
    on('delete list watch', 'core', 'pods'),
    events,
  ],
  'pod-garbage-collector': [
    on('delete list watch', 'core', 'pods'),
    on('get list', 'core', 'nodes'),
    on('patch update', 'core', 'pods/status'),
  ],
  'replicaset-controller': [
    on(`update ${READ}`, 'apps extensions', 'replicasets'),
    on('update', 'apps extensions', 'replicasets/status'),
    finalizers('apps extensions', 'replicasets'),
    on('create delete list patch watch', 'core', 'pods'),
    events,
  ],
  'replication-controller': [
    on(`update ${READ}`, 'core', 'replicationcontrollers'),
    on('update', 'core', 'replicationcontrollers/status'),
    finalizers('core', 'replicationcontrollers'),
    on('create delete list patch watch', 'core', 'pods'),
    events,
  ],
  'resourcequota-controller': [on('list watch', '*', '*'), on('update', 'core', 'resourcequotas/status'), events],
  'root-ca-cert-publisher': [on('create update', 'core', 'configmaps'), events],
  'service-account-controller': [on('create', 'core', 'serviceaccounts'), events],
  'service-controller': [
    on(READ, 'core', 'services'),
    on('patch update', 'core', 'services/status'),
    on('list watch', 'core', 'nodes'),
    events,
  ],
  'statefulset-controller': [
    on('list watch', 'core', 'pods'),
    on(READ, 'apps', 'statefulsets'),
    on('update', 'apps', 'statefulsets/status'),
    finalizers('apps', 'statefulsets'),
    on('create delete get patch update', 'core', 'pods'),
    on(`${WRITE} ${READ}`, 'apps', 'controllerrevisions'),
    on(`create delete update ${READ}`, 'core', 'persistentvolumeclaims'),
    events,
  ],
  'ttl-after-finished-controller': [on(`delete ${READ}`, 'batch', 'jobs'), events],
};
