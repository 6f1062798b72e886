import type { Endpoint, ServicePort } from '../servicemap/service-port.ts';
import type { FamilyAddresses } from './mode.ts';

/**
 * How packets are treated on their way to an endpoint.
 * `internal`: to a cluster IP; what comes from outside the cluster gets the node's address as its source.
 * `external`: to an external address or node port; any node may have the endpoint, so the answer has to come back through this one.
 * `kept`: the same with externalTrafficPolicy Local, from outside: endpoints are on this node and see the client's address.
 */
export type Policy = 'internal' | 'external' | 'kept';

/** One address and port that a Service is reached at on this node, for one kind of client. */
export interface Frontend {
  /** `10.96.0.10 . udp . 53`, as nft writes it. */
  readonly key: string;
  readonly ip: string;
  readonly port: number;
  readonly protocol: string;
  readonly policy: Policy;
  /** Name of the endpoint list: frontends of a port that share it choose among the same. */
  readonly list: string;
  readonly endpoints: readonly Endpoint[];
  readonly affinitySeconds: number;
  /** What is done with packets when there is no endpoint; `pass`: another frontend decides. */
  readonly otherwise: 'refuse' | 'drop' | 'pass';
  /** CIDRs of the only clients that may come; empty: all may. */
  readonly allowed: readonly string[];
}

/** All frontends of a Service's ports; each key once a policy. */
export function frontendsOf(ports: readonly ServicePort[], addresses: FamilyAddresses): Frontend[] {
  const all = ports.flatMap((port) => [...internalFrontends(port), ...externalFrontends(port, addresses)]);
  return [...new Map(all.toReversed().map((one) => [`${mapOf(one)} ${one.key}`, one])).values()].reverse();
}

/** The map that packets are looked up in: those from outside are looked up in `outside` before. */
export function mapOf({ policy }: Pick<Frontend, 'policy'>): 'services' | 'outside' {
  return policy === 'kept' ? 'outside' : 'services';
}

const EVERYBODY: readonly string[] = [];

function internalFrontends(port: ServicePort): Frontend[] {
  const otherwise = port.cluster.length > 0 ? 'drop' : 'refuse';
  return port.clusterIps.map((ip) =>
    toFrontend(port, {
      ip,
      number: port.port,
      allowed: EVERYBODY,
      policy: 'internal',
      endpoints: port.internal,
      otherwise,
    }),
  );
}

function externalFrontends(port: ServicePort, { nodeIps }: FamilyAddresses): Frontend[] {
  const places = [
    ...port.externalIps.map((ip) => ({ ip, number: port.port, allowed: EVERYBODY })),
    ...port.loadBalancerIps.map((ip) => ({ ip, number: port.port, allowed: port.sourceRanges })),
    ...(port.nodePort ? nodeIps.map((ip) => ({ ip, number: port.nodePort, allowed: EVERYBODY })) : []),
  ];
  const shared = { policy: 'external', endpoints: port.cluster, otherwise: 'refuse' } as const;
  const kept = {
    policy: 'kept',
    endpoints: port.external,
    otherwise: port.cluster.length > 0 ? 'drop' : 'pass',
  } as const;
  return places.flatMap((place) => [
    toFrontend(port, { ...place, ...shared }),
    ...(port.keepSource ? [toFrontend(port, { ...place, allowed: EVERYBODY, ...kept })] : []),
  ]);
}

function toFrontend(
  { protocol, key, affinitySeconds }: ServicePort,
  { ip, number, ...rest }: Pick<Frontend, 'ip' | 'policy' | 'endpoints' | 'otherwise' | 'allowed'> & { number: number },
): Frontend {
  const name = protocol.toLowerCase();
  return {
    key: `${ip} . ${name} . ${number}`,
    ip,
    port: number,
    protocol: name,
    list: `${rest.policy} ${key}`,
    affinitySeconds,
    ...rest,
  };
}
