import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { Informers } from '../client/informer.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';

/** What every controller is given. */
export interface ControllersOptions {
  client: Client;
  informers: Informers;
  recorder: EventRecorder;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
  /** The cluster's CA, published to every namespace. */
  caPem: string;
  clusterCidr: string;
  nodeCidrPrefix: number;
  /** Where the `kubernetes` Service leads. */
  apiServer: { readonly address: string; readonly port: number };
  /** ClusterIPs of the Services `default/kubernetes` and `kube-system/kube-dns`. */
  kubernetesIp: string;
  dnsServiceIp: string;
}
