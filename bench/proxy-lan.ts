const prefix = `sampan-bench-${process.pid}`;
const netns = { node: `${prefix}-node`, pod: `${prefix}-pod`, client: `${prefix}-client` };
const nodeIp = '10.89.0.11';
const podIp = '10.244.0.2';
const clientIp = '10.244.0.3';

function link(name: string, peer: string, ip: string): string[] {
  return [
    `link add ${name} type veth peer name eth0 netns ${peer}`,
    `link set ${name} up`,
    `address add 169.254.1.1/32 dev ${name}`,
    `route add ${ip} dev ${name}`,
  ];
}

function inside(ip: string): string[] {
  return [
    'link set lo up',
    `address add ${ip}/32 dev eth0`,
    'link set eth0 up',
    'route add 169.254.1.1 dev eth0',
    'route add default via 169.254.1.1 dev eth0',
  ];
}

/** A node with one pod and one client, each in its network namespace, and no way out. */
export const BENCH_LAN = {
  ...netns,
  nodeIp,
  podIp,
  podPort: 8080,
  /** Of the Service that leads to the pod. */
  serviceIp: '10.111.0.1',
  /** `ip` commands by namespace, in order. */
  commands: [
    [
      netns.node,
      [
        'link set lo up',
        `address add ${nodeIp}/32 dev lo`,
        ...link('pod', netns.pod, podIp),
        ...link('client', netns.client, clientIp),
        // Endpoints that nobody has: a virtual server wants a route to them.
        'route add blackhole 10.244.0.0/15',
        'route add unreachable default',
      ],
    ],
    [netns.pod, inside(podIp)],
    [netns.client, inside(clientIp)],
  ] as const,
} as const;
