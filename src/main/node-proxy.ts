import type { Client } from '../client/client.ts';
import type { Informers } from '../client/informer.ts';
import { openConntrack } from '../host/conntrack.ts';
import { openBackend, removeLeftovers } from '../proxy/backends.ts';
import { followMode } from '../proxy/follow-mode.ts';
import { parseModeChoice } from '../proxy/mode.ts';
import { createReporter } from '../proxy/report.ts';
import { startProxy } from '../proxy/start.ts';
import type { AgentConfig, ProgramContext } from './config.ts';

/**
 * The service proxy of a node in its configured mode, and from then on in the one that the Node asks for. Resolves when its
 * rules are complete; goes on until the signal aborts.
 */
export async function startNodeProxy(
  config: AgentConfig,
  shared: ProgramContext & { client: Client; informers: Informers },
): Promise<void> {
  const { nodeName, nodeIp, clusterCidr, serviceCidr, proxyMode } = config;
  const configured = parseModeChoice(proxyMode);
  if (!configured) throw new Error(`proxyMode: expected a mode of the proxy, actual: ${JSON.stringify(proxyMode)}`);
  const conntrack = openConntrack();
  shared.signal.addEventListener('abort', () => conntrack.close(), { once: true });
  const options = { ...shared, nodeName, conntrack, addresses: { clusterCidr, serviceCidr, nodeIps: [nodeIp] } };
  const proxy = await startProxy({
    ...options,
    backend: openBackend(configured, options),
    observer: createReporter({ ...shared, nodeName }),
    elapsedMs: () => performance.now(),
  });
  await removeLeftovers(proxy.backend(), options);
  followMode({ ...options, configured, switchTo: (choice) => proxy.switchTo(openBackend(choice, options)) });
}
