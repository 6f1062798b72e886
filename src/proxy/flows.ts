import type { Frontend } from './frontends.ts';
import type { StaleFlow } from './mode.ts';

/** UDP flows that frontends lead to their endpoints, each as a text. */
export function udpFlows(frontends: readonly Frontend[]): string[] {
  return frontends
    .filter(({ protocol }) => protocol === 'udp')
    .flatMap(({ ip, port, endpoints }) => endpoints.map((to) => `${ip} ${port} ${to.ip} ${to.port}`));
}

/** UDP has no end of connection: flows to an endpoint that a frontend no longer has would go on to it. */
export function staleFlows(before: Iterable<string>, after: Iterable<string>): StaleFlow[] {
  const gone = new Set(before);
  for (const flow of after) gone.delete(flow);
  return [...gone].map((flow) => {
    const [frontendIp, frontendPort, endpointIp, endpointPort] = flow.split(' ') as [string, string, string, string];
    return { frontendIp, frontendPort: Number(frontendPort), endpointIp, endpointPort: Number(endpointPort) };
  });
}
