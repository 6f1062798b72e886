import { networkInterfaces } from 'node:os';
import type { Client } from '../client/client.ts';
import type { Informers } from '../client/informer.ts';
import { openConntrack } from '../host/conntrack.ts';
import { openBackend, removeLeftovers } from '../proxy/backends.ts';
import { followMode } from '../proxy/follow-mode.ts';
import { ProxyHealth } from '../proxy/health.ts';
import { startHealthPorts } from '../proxy/health-ports.ts';
import { createProxyMetrics } from '../proxy/metrics.ts';
import { type ProxyAddresses, parseModeChoice } from '../proxy/mode.ts';
import { nodePortIps, parseNodePortAddresses } from '../proxy/node-ports.ts';
import { observeAll } from '../proxy/observe.ts';
import { createReporter } from '../proxy/report.ts';
import { HEALTH_PORT, METRICS_PORT, serveProxy } from '../proxy/serve.ts';
import { startProxy } from '../proxy/start.ts';
import type { Family } from '../servicemap/endpoint.ts';
import { familyOf } from '../servicemap/service-port.ts';
import type { AgentConfig, ProgramContext } from './config.ts';

/** What the proxy of a node has to know. */
export type NodeProxyConfig = Pick<
  AgentConfig,
  | 'nodeName'
  | 'nodeIp'
  | 'nodeIpv6'
  | 'clusterCidr'
  | 'clusterCidrIpv6'
  | 'serviceCidr'
  | 'serviceCidrIpv6'
  | 'nodePortAddresses'
  | 'proxyMode'
>;

function addressesOf(config: NodeProxyConfig): ProxyAddresses {
  const { clusterCidr, serviceCidr, nodeIp, clusterCidrIpv6, serviceCidrIpv6, nodeIpv6 } = config;
  const text = config.nodePortAddresses ?? 'primary';
  const wanted = parseNodePortAddresses(text);
  if (!wanted) throw new Error(`nodePortAddresses: expected "primary" or networks, actual: ${JSON.stringify(text)}`);
  const links = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const primary = nodeIpv6 ? [nodeIp, nodeIpv6] : [nodeIp];
  const ips = nodePortIps(wanted, { primary, all: links.map(({ address }) => address) });
  const ofFamily = (family: Family) => ips.filter((ip) => familyOf(ip) === family);
  const ipv4 = { clusterCidr, serviceCidr, nodeIps: ofFamily(4) };
  if (!clusterCidrIpv6 || !serviceCidrIpv6) return ipv4;
  return { ...ipv4, ipv6: { clusterCidr: clusterCidrIpv6, serviceCidr: serviceCidrIpv6, nodeIps: ofFamily(6) } };
}

const HEALTH_AT = { port: HEALTH_PORT };
const METRICS_AT = { port: METRICS_PORT, address: '127.0.0.1' };

/**
 * The service proxy of a node in its configured mode, and from then on in the one that the Node asks for. Resolves when its
 * rules are complete; goes on until the signal aborts.
 */
export async function startNodeProxy(
  config: NodeProxyConfig,
  shared: ProgramContext & { client: Client; informers: Informers },
): Promise<void> {
  const { nodeName, serviceCidr, serviceCidrIpv6, proxyMode } = config;
  const configured = parseModeChoice(proxyMode);
  if (!configured) throw new Error(`proxyMode: expected a mode of the proxy, actual: ${JSON.stringify(proxyMode)}`);
  const conntrack = openConntrack();
  shared.signal.addEventListener('abort', () => conntrack.close(), { once: true });
  const serviceCidrs = serviceCidrIpv6 ? [serviceCidr, serviceCidrIpv6] : [serviceCidr];
  const families: readonly Family[] = serviceCidrIpv6 ? [4, 6] : [4];
  const options = { ...shared, nodeName, conntrack, addresses: addressesOf(config), serviceCidrs, families };
  const health = new ProxyHealth(options);
  const metrics = createProxyMetrics(shared);
  const backend = openBackend(configured, options);
  let mode = () => backend.name;
  serveProxy({ ...shared, health, metrics, mode: () => mode(), healthAt: HEALTH_AT, metricsAt: METRICS_AT });
  startHealthPorts({ ...options, proxyHealthy: () => health.healthy });
  const observer = observeAll([health, metrics, createReporter(options)]);
  const proxy = await startProxy({ ...options, backend, observer, elapsedMs: () => performance.now() });
  mode = () => proxy.backend().name;
  await removeLeftovers(proxy.backend(), options);
  followMode({
    ...options,
    configured,
    switchTo: (choice) => proxy.switchTo(openBackend(choice, options)),
    intact: async () => (await proxy.backend().intact?.()) ?? true,
  });
}
