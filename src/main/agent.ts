import { readFileSync } from 'node:fs';
import { startAgent } from '../agent/agent.ts';
import { connectRuntime } from '../agent/cri/runtime.ts';
import { createEventRecorder } from '../client/events.ts';
import { httpsTransport } from '../client/https.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/kube-client.ts';
import { type DnsOptions, startDns } from '../dns/dns.ts';
import { DNS_METRICS_PORT, serveDnsMetrics } from '../dns/exporter.ts';
import { openLinkAddresses } from '../host/link-addresses.ts';
import { realRoutes } from '../host/routes.ts';
import { untilAborted } from '../lib/abort.ts';
import { startHeartbeat } from '../loadbalancer/heartbeat.ts';
import { parsePool } from '../loadbalancer/pool.ts';
import { type SpeakerOptions, startSpeaker } from '../loadbalancer/speaker.ts';
import type { AgentConfig, ProgramContext } from './config.ts';
import { startNodeIngress } from './node-ingress.ts';
import { startNodeProxy } from './node-proxy.ts';

const DNS_PORT = 53;

/**
 * One node: its pods, its service proxy, its DNS server and its Ingresses. Resolves when the signal aborts; pods, rules
 * and the reverse proxy stay.
 */
export async function runAgent(config: AgentConfig, context: ProgramContext): Promise<void> {
  const { clock, random, log, signal } = context;
  const { nodeName } = config;
  const connection = {
    server: config.server,
    ca: pem(config.caFile),
    cert: pem(config.certFile),
    key: pem(config.keyFile),
  };
  const client = createClient(httpsTransport(connection));
  const informers = createInformers({ client, clock, log, random, signal });
  const shared = { client, informers, clock, random, log, signal };
  const link = openLinkAddresses(config.loadBalancer.link);
  const runtime = connectRuntime(config.containerdSocket);
  await Promise.all([
    announceAddresses(config, { ...shared, link }),
    startNodeProxy(config, { ...context, client, informers }),
    startNodeDns(config, shared),
    startAgent({
      ...shared,
      ...config,
      runtime,
      routes: realRoutes,
      recorder: createEventRecorder({ client, clock, log, component: 'kubelet', host: nodeName }),
      tls: { cert: pem(config.servingCertFile), key: pem(config.servingKeyFile), clientCa: connection.ca },
      osImage: osImage(),
    }),
  ]);
  startNodeIngress(config, shared);
  log.info('node is ready', { node: nodeName });
  await untilAborted(signal);
  runtime.close();
  link.close();
}

/** Load balancer addresses that are this node's share. */
function announceAddresses({ nodeName, loadBalancer }: AgentConfig, shared: Omit<SpeakerOptions, 'nodeName' | 'pool'>) {
  const speaker = startSpeaker({ ...shared, nodeName, pool: parsePool(loadBalancer.pool) });
  const { broadcast } = loadBalancer;
  return startHeartbeat({ ...shared, nodeName, broadcast, onHeard: (claim) => speaker.heard(claim) });
}

/** The cluster's names, for the pods of this node. */
async function startNodeDns(
  config: AgentConfig,
  shared: Pick<DnsOptions, 'informers' | 'clock' | 'random' | 'log' | 'signal'>,
) {
  const { metrics } = await startDns({
    ...shared,
    listen: [{ address: config.nodeIp, port: DNS_PORT }],
    clusterDomain: config.clusterDomain,
    reverseCidrs: [config.serviceCidr, config.clusterCidr, config.serviceCidrIpv6, config.clusterCidrIpv6].filter(
      (cidr) => cidr !== undefined,
    ),
  });
  serveDnsMetrics({ ...shared, metrics, listen: { address: config.nodeIp, port: DNS_METRICS_PORT } });
}

function osImage(): string {
  const text = readFileSync('/etc/os-release', 'utf8');
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1] ?? 'Linux';
}

function pem(path: string): string {
  return readFileSync(path, 'utf8');
}
