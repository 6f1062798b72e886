import type { Ingress, Node, Service } from '../api/types.ts';
import { type Cidr, cidrContains, formatIp, parseIp } from '../lib/ip.ts';

/** How the cluster's addresses are called on the machine: the last bytes stay, the first become loopback. */
export interface AddressPlan {
  /** Each network and the loopback network that stands for it, of equal size. */
  readonly networks: readonly { readonly cluster: Cidr; readonly loopback: Cidr }[];
}

/** One listening address of the machine, and where its connections go. */
export interface Frontend {
  readonly address: string;
  readonly port: number;
  readonly target: { readonly address: string; readonly port: number };
  /** `namespace/name` of the Service, or `ingresses`. */
  readonly service: string;
}

/** The loopback address that stands for a cluster address; undefined for one of no planned network. */
export function loopbackOf(plan: AddressPlan, text: string): string | undefined {
  const ip = parseIp(text);
  const network = ip && plan.networks.find(({ cluster }) => cidrContains(cluster, ip));
  if (!network) return undefined;
  return formatIp({ family: 4, value: network.loopback.base + (ip.value - network.cluster.base) });
}

/** What the machine listens at for a Service: its cluster IPs, its load balancer addresses, and its ports of every node. */
export function frontendsOf(service: Service, nodes: readonly Node[], plan: AddressPlan): Frontend[] {
  const { metadata, spec, status } = service;
  const clusterIps = (spec?.clusterIPs ?? []).filter((ip) => ip !== 'None' && ip !== '');
  const balanced = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  const nodeIps = nodes.flatMap(internalIps);
  return (spec?.ports ?? []).flatMap(({ port, nodePort, protocol = 'TCP' }) => {
    if (protocol !== 'TCP') return [];
    const own = [...clusterIps, ...balanced].map((address) => ({ address, port }));
    const onNodes = nodePort ? nodeIps.map((address) => ({ address, port: nodePort })) : [];
    return [...own, ...onNodes].flatMap((target) => {
      const address = loopbackOf(plan, target.address);
      const name = `${metadata.namespace}/${metadata.name}`;
      return address ? [{ address, port: target.port, target, service: name }] : [];
    });
  });
}

const INGRESS_PORTS = [80, 443];

/** What the machine listens at for all Ingresses together: their addresses, each once. */
export function ingressFrontends(all: readonly Ingress[], plan: AddressPlan): Frontend[] {
  const ips = all.flatMap(({ status }) => (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip ? [ip] : [])));
  return [...new Set(ips)].flatMap((ip) => {
    const address = loopbackOf(plan, ip);
    if (!address) return [];
    return INGRESS_PORTS.map((port) => ({ address, port, target: { address: ip, port }, service: 'ingresses' }));
  });
}

function internalIps({ status }: Node): string[] {
  const addresses = status?.addresses ?? [];
  return addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
}
