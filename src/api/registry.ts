import { configMaps } from './kinds/configmap.ts';
import { deployments } from './kinds/deployment.ts';
import { endpoints } from './kinds/endpoints.ts';
import { endpointSlices } from './kinds/endpointslice.ts';
import { events } from './kinds/event.ts';
import { leases } from './kinds/lease.ts';
import { namespaces } from './kinds/namespace.ts';
import { nodes } from './kinds/node.ts';
import { pods } from './kinds/pod.ts';
import { replicaSets } from './kinds/replicaset.ts';
import { secrets } from './kinds/secret.ts';
import { services } from './kinds/service.ts';
import { serviceAccounts } from './kinds/serviceaccount.ts';
import { type Resource, row } from './resource.ts';

/** Every kind that is served, in discovery order. */
export const registry: readonly Resource[] = [
  row(namespaces),
  row(nodes),
  row(pods),
  row(services),
  row(endpoints),
  row(endpointSlices),
  row(configMaps),
  row(secrets),
  row(serviceAccounts),
  row(events),
  row(leases),
  row(deployments),
  row(replicaSets),
];
