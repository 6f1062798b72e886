import { type Cidr, cidrAddress, cidrSize, formatCidr, formatIp, parseCidr } from '../lib/ip.ts';

/** Addresses that a cluster gives away. */
export interface NetworksPlan {
  readonly serviceCidr: string;
  readonly clusterCidr: string;
  readonly dnsServiceIp: string;
  /** In a cluster of both families: what it has beside IPv4. */
  readonly ipv6: Ipv6Plan | undefined;
}

export interface Ipv6Plan {
  readonly serviceCidr: string;
  readonly clusterCidr: string;
  /** Address of the LAN's bridge. */
  readonly lanAddress: string;
  readonly lanPrefix: number;
}

/** `--service-cidr` and `--cluster-cidr`: a network, or an IPv4 and an IPv6 one separated by a comma. */
export interface NetworkOptions {
  readonly serviceCidr?: string | undefined;
  readonly clusterCidr?: string | undefined;
}

const SERVICE_CIDR = '10.96.0.0/16';
const CLUSTER_CIDR = '10.244.0.0/16';
const LAN_IPV6 = parseCidr('fd00:10:89::/64')!;
const DNS_INDEX = 10;
/** A node's share is a /24 of IPv4 and a /64 of IPv6 addresses. */
const CLUSTER_PREFIX_MAX = { 4: 24, 6: 64 } as const;
const SERVICE_SIZE_MIN = 16n;

/** Pure. Throws a readable error for networks that cannot be. */
export function planNetworks(options: NetworkOptions): NetworksPlan {
  const services = parseNetworks('service CIDR', options.serviceCidr ?? SERVICE_CIDR);
  const pods = parseNetworks('cluster CIDR', options.clusterCidr ?? CLUSTER_CIDR);
  if (services.length !== pods.length)
    throw new Error('service CIDR and cluster CIDR: expected the same families in both');
  for (const { prefix, family } of pods)
    if (prefix > CLUSTER_PREFIX_MAX[family])
      throw new Error(`cluster CIDR: expected a prefix of at most ${CLUSTER_PREFIX_MAX[family]}, actual: ${prefix}`);
  for (const cidr of services)
    if (cidrSize(cidr) < SERVICE_SIZE_MIN) throw new Error(`service CIDR: ${formatCidr(cidr)} is too small`);
  const [serviceCidr, serviceCidrIpv6] = services.map(formatCidr);
  const [clusterCidr, clusterCidrIpv6] = pods.map(formatCidr);
  return {
    serviceCidr: serviceCidr!,
    clusterCidr: clusterCidr!,
    dnsServiceIp: formatIp(cidrAddress(services[0]!, DNS_INDEX)),
    ipv6: serviceCidrIpv6 && clusterCidrIpv6 ? ipv6Plan(serviceCidrIpv6, clusterCidrIpv6) : undefined,
  };
}

function ipv6Plan(serviceCidr: string, clusterCidr: string): Ipv6Plan {
  return { serviceCidr, clusterCidr, lanAddress: formatIp(cidrAddress(LAN_IPV6, 1)), lanPrefix: LAN_IPV6.prefix };
}

function parseNetworks(what: string, text: string): Cidr[] {
  const cidrs = text.split(',').map((part) => parseCidr(part.trim()));
  const families = cidrs.map((cidr) => cidr?.family).join();
  if (families !== '4' && families !== '4,6')
    throw new Error(`${what}: expected an IPv4 network, or one and an IPv6 network with a comma, actual: ${text}`);
  return cidrs.filter((cidr) => cidr !== undefined);
}

/** A node's IPv6 address on the LAN, by its host number. */
export function lanIpv6(host: number): string {
  // The number is read as it is written: node 11 is ::11.
  return formatIp(cidrAddress(LAN_IPV6, Number.parseInt(String(host), 16)));
}
