import type { EventRecorder } from '../client/events.ts';
import { bootstrap, startKubernetesService } from './bootstrap.ts';
import { startCertificateSigning } from './certificatesigning.ts';
import { startClusterDns } from './clusterdns.ts';
import { startClusterRoleAggregation } from './clusterroleaggregation.ts';
import { startCronJobs } from './cronjob.ts';
import { startDaemonSets } from './daemonset.ts';
import { startDeployments } from './deployment.ts';
import { startDisruptions } from './disruption.ts';
import { startEndpoints } from './endpoints.ts';
import { startEndpointSlices } from './endpointslice.ts';
import { startEndpointSliceMirroring } from './endpointslicemirroring.ts';
import { startEphemeralVolumes } from './ephemeralvolume.ts';
import { startEventTtl } from './eventttl.ts';
import { startGarbageCollector } from './garbagecollector.ts';
import { startJobs } from './job.ts';
import { startJobTtl } from './jobttl.ts';
import { startNamespaces } from './namespace.ts';
import { startNodeIpam } from './nodeipam.ts';
import { startNodeLifecycle } from './nodelifecycle.ts';
import type { ControllersOptions } from './options.ts';
import { startPersistentVolumes } from './persistentvolume.ts';
import { startPodGc } from './podgc.ts';
import { startProgrammed } from './programmed.ts';
import { startReplicaSets, startReplicationControllers } from './replicaset.ts';
import { startResourceQuotas } from './resourcequota.ts';
import { startRootCa } from './rootca.ts';
import { startServiceAccounts } from './serviceaccount.ts';
import { startStatefulSets } from './statefulset.ts';
import { startTaintEviction } from './tainteviction.ts';
import { startTokenSecrets } from './tokensecrets.ts';
import { startVolumeProtection } from './volumeprotection.ts';

/** Every controller of the cluster, with the name that it tells events under. */
const controllers: readonly (readonly [start: (options: ControllersOptions) => void, component: string])[] = [
  [startKubernetesService, 'kubernetes-service-controller'],
  [startNodeIpam, 'node-ipam-controller'],
  [startServiceAccounts, 'serviceaccount-controller'],
  [startRootCa, 'root-ca-certificate-publisher'],
  [startClusterDns, 'cluster-dns-controller'],
  [startDeployments, 'deployment-controller'],
  [startReplicaSets, 'replicaset-controller'],
  [startReplicationControllers, 'replication-controller'],
  [startTaintEviction, 'taint-eviction-controller'],
  [startEndpointSliceMirroring, 'endpoint-slice-mirroring-controller'],
  [startEphemeralVolumes, 'ephemeral-volume-controller'],
  [startVolumeProtection, 'volume-protection-controller'],
  [startPersistentVolumes, 'persistentvolume-controller'],
  [startDisruptions, 'controllermanager'],
  [startCronJobs, 'cronjob-controller'],
  [startJobTtl, 'ttl-after-finished-controller'],
  [startJobs, 'job-controller'],
  [startDaemonSets, 'daemonset-controller'],
  [startStatefulSets, 'statefulset-controller'],
  [startEndpointSlices, 'endpoint-slice-controller'],
  [startEndpoints, 'endpoint-controller'],
  [startProgrammed, 'programmed-controller'],
  [startNamespaces, 'namespace-controller'],
  [startGarbageCollector, 'garbage-collector-controller'],
  [startNodeLifecycle, 'node-controller'],
  [startPodGc, 'pod-garbage-collector-controller'],
  [startEventTtl, 'event-ttl-controller'],
  [startCertificateSigning, 'certificate-controller'],
  [startTokenSecrets, 'token-secret-controller'],
  [startResourceQuotas, 'resourcequota-controller'],
  [startClusterRoleAggregation, 'clusterrole-aggregation-controller'],
];

/** Makes what a cluster starts with, then runs all controllers until the signal aborts. */
export async function startControllers(options: ControllersOptions): Promise<void> {
  await bootstrap(options);
  for (const [start, component] of controllers) start({ ...options, recorder: as(component, options.recorder) });
}

function as(component: string, recorder: EventRecorder): EventRecorder {
  return { record: (object, event) => recorder.record(object, { component, ...event }) };
}
