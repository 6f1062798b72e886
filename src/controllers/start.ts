import { bootstrap } from './bootstrap.ts';
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

/** Every controller of the cluster. */
const controllers: readonly ((options: ControllersOptions) => void)[] = [
  startNodeIpam,
  startServiceAccounts,
  startRootCa,
  startClusterDns,
  startDeployments,
  startReplicaSets,
  startReplicationControllers,
  startTaintEviction,
  startEndpointSliceMirroring,
  startEphemeralVolumes,
  startVolumeProtection,
  startPersistentVolumes,
  startDisruptions,
  startCronJobs,
  startJobTtl,
  startJobs,
  startDaemonSets,
  startStatefulSets,
  startEndpointSlices,
  startEndpoints,
  startProgrammed,
  startNamespaces,
  startGarbageCollector,
  startNodeLifecycle,
  startPodGc,
  startEventTtl,
  startCertificateSigning,
  startTokenSecrets,
  startResourceQuotas,
  startClusterRoleAggregation,
];

/** Makes what a cluster starts with, then runs all controllers until the signal aborts. */
export async function startControllers(options: ControllersOptions): Promise<void> {
  await bootstrap(options);
  for (const start of controllers) start(options);
}
