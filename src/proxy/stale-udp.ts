import { cidrContains, parseCidr, parseIp } from '../lib/ip.ts';
import type { Endpoint, ServicePort } from '../servicemap/service-port.ts';
import type { Changes, StaleFlow } from './mode.ts';

/**
 * Tells UDP flows that the kernel still translates though nothing would translate them so now, as after changes that were made
 * while no proxy ran: to an endpoint that its frontend no longer has, or by a Service address that nobody has. Pure.
 */
export function staleUdp(all: Changes, serviceCidrs: readonly string[]): (flow: StaleFlow) => boolean {
  const frontends = new Map<string, Set<string>>();
  const nodePorts = new Map<number, Set<string>>();
  for (const port of [...all.values()].flat()) {
    if (port.protocol !== 'UDP') continue;
    const ips = [...port.clusterIps, ...port.externalIps, ...port.loadBalancerIps];
    for (const ip of ips) add(frontends, `${ip} ${port.port}`, port);
    if (port.nodePort) add(nodePorts, port.nodePort, port);
  }
  const ours = serviceCidrs.flatMap((text) => parseCidr(text) ?? []);
  return ({ frontendIp, frontendPort, endpointIp, endpointPort }) => {
    if (frontendIp === endpointIp) return false;
    const ip = parseIp(frontendIp);
    const isServiceIp = ip !== undefined && ours.some((cidr) => cidrContains(cidr, ip));
    const endpoints =
      frontends.get(`${frontendIp} ${frontendPort}`) ?? (isServiceIp ? NONE : nodePorts.get(frontendPort));
    return endpoints !== undefined && !endpoints.has(`${endpointIp} ${endpointPort}`);
  };
}

const NONE: ReadonlySet<string> = new Set();

function add<K>(to: Map<K, Set<string>>, key: K, { internal, external, cluster }: ServicePort): void {
  const known = to.get(key) ?? new Set();
  for (const { ip, port } of [...internal, ...external, ...cluster] satisfies Endpoint[]) known.add(`${ip} ${port}`);
  to.set(key, known);
}
