import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { Informers } from '../client/informer.ts';
import type { Routes } from '../host/routes.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Runtime } from './cri/runtime.ts';

export interface AgentOptions {
  client: Client;
  informers: Informers;
  runtime: Runtime;
  routes: Routes;
  recorder: EventRecorder;
  nodeName: string;
  nodeIp: string;
  /** In a cluster that has both families. */
  nodeIpv6?: string | undefined;
  /** Pods' volumes, logs and hosts files. */
  stateDir: string;
  cniConfDir: string;
  clusterDns: string;
  clusterDomain: string;
  cgroupParent: string;
  /** For the agent's own endpoint on port 10250. */
  tls: { cert: string; key: string; clientCa: string };
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}
