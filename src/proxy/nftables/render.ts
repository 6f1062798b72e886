import type { Endpoint, ServicePort } from '../../servicemap/service-port.ts';

export const TABLE = 'ip sampan';

export interface ProxyAddresses {
  /** Pod addresses of the whole cluster. */
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  /** This node's own addresses: where its node ports answer. */
  readonly nodeIps: readonly string[];
}

/** One address and port that Services are reached at on this node. */
export interface Frontend {
  /** `10.96.0.10 . udp . 53`, as nft writes it. */
  readonly key: string;
  readonly endpoints: readonly Endpoint[];
}

/** All frontends of a Service's ports. */
export function frontendsOf(ports: readonly ServicePort[], addresses: ProxyAddresses): Frontend[] {
  return ports.flatMap((port) => {
    const protocol = port.protocol.toLowerCase();
    const at = (ip: string, number: number, endpoints: readonly Endpoint[]) => ({
      key: `${ip} . ${protocol} . ${number}`,
      endpoints,
    });
    return [
      ...port.clusterIps.map((ip) => at(ip, port.port, port.internal)),
      ...port.externalIps.map((ip) => at(ip, port.port, port.external)),
      ...(port.nodePort ? addresses.nodeIps.map((ip) => at(ip, port.nodePort, port.external)) : []),
    ];
  });
}

/**
 * The table without any Service. A packet to a frontend is looked up once: the verdict leads to the chain for its number of
 * endpoints, which all Services share, and there a random index picks the endpoint from a second map. No chain is the
 * Service's own, so the kernel's work for a change does not grow with the number of Services.
 */
export function renderBase({ clusterCidr, serviceCidr }: ProxyAddresses): string {
  return `table ${TABLE} {
  map services {
    type ipv4_addr . inet_proto . inet_service : verdict
  }
  map endpoints {
    type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service
  }
  set hairpins {
    type ipv4_addr . ipv4_addr
  }
  chain services-nat {
    ip daddr . meta l4proto . th dport vmap @services
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump services-nat
  }
  chain output {
    type nat hook output priority -100; policy accept;
    jump services-nat
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ct status dnat ip saddr . ip daddr @hairpins masquerade
    ct status dnat ip saddr != ${clusterCidr} fib saddr type != local masquerade
  }
  chain filter-forward {
    type filter hook forward priority filter; policy accept;
    ip daddr ${serviceCidr} ct state new reject
  }
  chain filter-output {
    type filter hook output priority filter; policy accept;
    ip daddr ${serviceCidr} ct state new reject
  }
}
`;
}

const DNAT = 'dnat ip to ip daddr . meta l4proto . th dport . meta mark map @endpoints';

/** The chain that picks one of `count` endpoints. The index is the whole mark: nothing else in the table uses marks. */
export function renderChooser(count: number): string {
  return `add chain ${TABLE} mod-${count}
flush chain ${TABLE} mod-${count}
add rule ${TABLE} mod-${count} meta mark set numgen random mod ${count} meta l4proto { tcp, udp, sctp } ${DNAT}
`;
}

/** Commands that add or delete elements of a map or set. */
export function renderElements(verb: 'add' | 'delete', name: string, elements: readonly string[]): string {
  return elements.length === 0 ? '' : `${verb} element ${TABLE} ${name} { ${elements.join(', ')} }\n`;
}

export function serviceElement({ key, endpoints }: Frontend): string[] {
  return endpoints.length === 0 ? [] : [`${key} : goto mod-${endpoints.length}`];
}

export function endpointElements({ key, endpoints }: Frontend): string[] {
  return endpoints.map(({ ip, port }, index) => `${key} . ${mark(index)} : ${ip} . ${port}`);
}

function mark(index: number): string {
  return `0x${index.toString(16).padStart(8, '0')}`;
}
