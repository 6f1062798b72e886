import { certificateSigningRequests } from './kinds/certificatesigningrequest.ts';
import { clusterRoles } from './kinds/clusterrole.ts';
import { clusterRoleBindings } from './kinds/clusterrolebinding.ts';
import { configMaps } from './kinds/configmap.ts';
import { controllerRevisions } from './kinds/controllerrevision.ts';
import { cronJobs } from './kinds/cronjob.ts';
import { csiDrivers } from './kinds/csidriver.ts';
import { csiNodes } from './kinds/csinode.ts';
import { csiStorageCapacities } from './kinds/csistoragecapacity.ts';
import { customResourceDefinitions } from './kinds/customresourcedefinition.ts';
import { daemonSets } from './kinds/daemonset.ts';
import { deployments } from './kinds/deployment.ts';
import { endpoints } from './kinds/endpoints.ts';
import { endpointSlices } from './kinds/endpointslice.ts';
import { events } from './kinds/event.ts';
import { horizontalPodAutoscalers } from './kinds/horizontalpodautoscaler.ts';
import { ingresses } from './kinds/ingress.ts';
import { ingressClasses } from './kinds/ingressclass.ts';
import { ipAddresses } from './kinds/ipaddress.ts';
import { jobs } from './kinds/job.ts';
import { leases } from './kinds/lease.ts';
import { limitRanges } from './kinds/limitrange.ts';
import { mutatingWebhookConfigurations } from './kinds/mutatingwebhookconfiguration.ts';
import { namespaces } from './kinds/namespace.ts';
import { networkPolicies } from './kinds/networkpolicy.ts';
import { nodes } from './kinds/node.ts';
import { persistentVolumes } from './kinds/persistentvolume.ts';
import { persistentVolumeClaims } from './kinds/persistentvolumeclaim.ts';
import { pods } from './kinds/pod.ts';
import { podDisruptionBudgets } from './kinds/poddisruptionbudget.ts';
import { podTemplates } from './kinds/podtemplate.ts';
import { priorityClasses } from './kinds/priorityclass.ts';
import { replicaSets } from './kinds/replicaset.ts';
import { replicationControllers } from './kinds/replicationcontroller.ts';
import { resourceQuotas } from './kinds/resourcequota.ts';
import { roles } from './kinds/role.ts';
import { roleBindings } from './kinds/rolebinding.ts';
import { runtimeClasses } from './kinds/runtimeclass.ts';
import { secrets } from './kinds/secret.ts';
import { services } from './kinds/service.ts';
import { serviceAccounts } from './kinds/serviceaccount.ts';
import { serviceCidrs } from './kinds/servicecidr.ts';
import { statefulSets } from './kinds/statefulset.ts';
import { storageClasses } from './kinds/storageclass.ts';
import { validatingAdmissionPolicies } from './kinds/validatingadmissionpolicy.ts';
import { validatingAdmissionPolicyBindings } from './kinds/validatingadmissionpolicybinding.ts';
import { validatingWebhookConfigurations } from './kinds/validatingwebhookconfiguration.ts';
import { volumeAttachments } from './kinds/volumeattachment.ts';
import { type Resource, row } from './resource.ts';
import { newEvents } from './versions/event.ts';
import { v1Autoscalers } from './versions/horizontalpodautoscaler.ts';
import { betaIngresses } from './versions/ingress.ts';

/** Every kind that is served, in discovery order. */
export const registry: readonly Resource[] = [
  row(namespaces),
  row(nodes),
  row(pods),
  row(replicationControllers),
  row(services),
  row(endpoints),
  row(configMaps),
  row(secrets),
  row(serviceAccounts),
  row(events),
  row(limitRanges),
  row(resourceQuotas),
  row(persistentVolumes),
  row(persistentVolumeClaims),
  row(podTemplates),
  row(deployments),
  row(replicaSets),
  row(statefulSets),
  row(daemonSets),
  row(controllerRevisions),
  row(horizontalPodAutoscalers),
  v1Autoscalers,
  row(jobs),
  row(cronJobs),
  row(certificateSigningRequests),
  row(ingresses),
  ...betaIngresses,
  row(ingressClasses),
  row(networkPolicies),
  row(ipAddresses),
  row(serviceCidrs),
  row(podDisruptionBudgets),
  row(roles),
  row(roleBindings),
  row(clusterRoles),
  row(clusterRoleBindings),
  row(storageClasses),
  row(csiDrivers),
  row(csiNodes),
  row(csiStorageCapacities),
  row(volumeAttachments),
  row(mutatingWebhookConfigurations),
  row(validatingWebhookConfigurations),
  row(validatingAdmissionPolicies),
  row(validatingAdmissionPolicyBindings),
  row(customResourceDefinitions),
  row(priorityClasses),
  row(leases),
  row(runtimeClasses),
  row(endpointSlices),
  newEvents,
];
