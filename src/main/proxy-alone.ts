import { untilAborted } from '../lib/abort.ts';
import { parseIp } from '../lib/ip.ts';
import { connectAlone, requiredFlag } from './alone.ts';
import { type CommandContext, type FlagValues, UsageError } from './command.ts';
import { startNodeProxy } from './node-proxy.ts';
import { checkMode } from './proxy-modes.ts';

/** Rules of the Services of any cluster for this network namespace, until it is told to end; they stay. */
export async function runProxyAlone(flags: FlagValues, context: CommandContext): Promise<number> {
  const nodeIp = requiredFlag(flags, 'node-ip');
  if (!parseIp(nodeIp)) throw new UsageError(`--node-ip: expected an IP address, actual: ${nodeIp}`);
  const proxyMode = String(flags['mode'] ?? 'nftables');
  checkMode(proxyMode, '--mode');
  const config = {
    nodeName: requiredFlag(flags, 'node-name'),
    nodeIp,
    proxyMode,
    clusterCidr: String(flags['cluster-cidr']),
    serviceCidr: String(flags['service-cidr']),
  };
  const alone = connectAlone(flags, context);
  await startNodeProxy(config, alone);
  alone.log.info('rules are complete', { mode: proxyMode });
  await untilAborted(alone.signal);
  return 0;
}
