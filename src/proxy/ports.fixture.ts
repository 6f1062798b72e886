import type { ServicePort } from '../servicemap/service-port.ts';

/** Port 80 of a Service, by TCP, with these endpoints whichever way a client comes. */
export function portTo(ip: string, endpoints: ServicePort['cluster'], more: Partial<ServicePort> = {}): ServicePort {
  return {
    key: `default/${ip}:http`,
    family: 4,
    protocol: 'TCP',
    port: 80,
    nodePort: 0,
    clusterIps: [ip],
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: [],
    affinitySeconds: 0,
    internal: endpoints,
    external: endpoints,
    cluster: endpoints,
    keepSource: false,
    ...more,
  };
}

/** The same with pods `10.244.0.x` behind it. */
export function servicePort(ip: string, last: readonly number[], more: Partial<ServicePort> = {}): ServicePort {
  const endpoints = last.map((number) => ({ ip: `10.244.0.${number}`, port: 8080 }));
  return portTo(ip, endpoints, more);
}

/** Its endpoint is on another node, and both policies are Local. */
export function elsewherePort(ip: string, nodePort: number): ServicePort {
  return servicePort(ip, [7], { internal: [], external: [], keepSource: true, nodePort });
}
