import type { EndpointSlice, Service } from '../api/types.ts';
import type { Protocol } from '../servicemap/service-port.ts';

/**
 * What every mode of the proxy has to do with packets, whatever it renders. The same rows are run against a model of the
 * rules and against the kernel with real packets.
 *
 * The cluster of all rows: `pod-a` and `pod-b` on this node, and `host-pod` in its network; `pod-c` on another node; a machine
 * outside.
 */
export const world = {
  nodeName: 'node-1',
  nodeIp: '10.89.0.11',
  otherNodeIp: '10.89.0.12',
  outsideIp: '10.89.0.1',
  clusterCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/16',
  pods: { 'pod-a': '10.244.1.2', 'pod-b': '10.244.1.3', 'pod-c': '10.244.2.2', 'host-pod': '10.89.0.11' },
} as const;

export type PodName = keyof typeof world.pods;
export type Source = 'pod-a' | 'pod-b' | 'node' | 'other-node' | 'outside';

/** A connection (or, with UDP, a first packet) and where it has to get. */
export interface Flow {
  readonly from: Source;
  readonly to: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly expect: Expected;
}

export type Expected =
  /** Some connections reach each of `endpoints` and nobody else; they see the client's address or, masqueraded, the node's. */
  | { readonly endpoints: readonly PodName[]; readonly source: 'client' | 'node'; readonly sticky?: true }
  /** The client is told at once. */
  | 'reject'
  /** The client hears nothing. */
  | 'drop';

export interface ContractCase {
  readonly name: string;
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly flows: readonly Flow[];
}

/** Ports that endpoints listen on in every pod. */
export const PORTS = { TCP: 8080, UDP: 5353, SCTP: 9090 } as const;

type ServiceSpec = NonNullable<Service['spec']>;
interface PodState {
  readonly pod: PodName;
  readonly ready?: boolean;
  readonly serving?: boolean;
}

function service(
  name: string,
  spec: Omit<Partial<ServiceSpec>, 'ports'> & { clusterIP: string; protocol?: Protocol; nodePort?: number },
): Service {
  const { protocol = 'TCP', nodePort, ...rest } = spec;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'contract' },
    spec: {
      type: nodePort ? 'NodePort' : 'ClusterIP',
      clusterIPs: [spec.clusterIP],
      ports: [{ name: 'main', protocol, port: 80, ...(nodePort ? { nodePort } : {}) }],
      ...rest,
    },
  };
}

function slice(name: string, pods: readonly (PodName | PodState)[], protocol: Protocol = 'TCP'): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'contract', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'main', protocol, port: PORTS[protocol] }],
    endpoints: pods.map((entry) => {
      const { pod, ready = true, serving = ready } = typeof entry === 'string' ? { pod: entry } : entry;
      return {
        addresses: [world.pods[pod]],
        nodeName: pod === 'pod-c' ? 'node-2' : world.nodeName,
        conditions: { ready, serving, terminating: serving && !ready },
      };
    }),
  };
}

/** A Service with one load-balancer address: 192.0.2.x, as the last part of its cluster IP. */
function balancer(
  name: string,
  { clusterIP, nodePort, ranges, local }: { clusterIP: string; nodePort: number; ranges: string[]; local?: boolean },
): Service {
  const policy = local ? ({ externalTrafficPolicy: 'Local' } as const) : {};
  return {
    ...service(name, { clusterIP, nodePort, type: 'LoadBalancer', loadBalancerSourceRanges: ranges, ...policy }),
    status: { loadBalancer: { ingress: [{ ip: `192.0.2.${clusterIP.split('.')[3]}` }] } },
  };
}

/** A slice whose endpoints are each meant for one node. */
function hinted(of: EndpointSlice, forNodes: readonly string[]): EndpointSlice {
  return {
    ...of,
    endpoints: of.endpoints!.map((endpoint, index) => {
      const name = forNodes[index];
      return name ? { ...endpoint, hints: { forNodes: [{ name }] } } : endpoint;
    }),
  };
}

/** Flows from several places to one. */
function flows(to: string, port: number, rows: Partial<Record<Source, Expected>>, protocol: Protocol = 'TCP'): Flow[] {
  return Object.entries(rows).map(([from, expect]) => ({ from: from as Source, to, port, protocol, expect: expect! }));
}

const asClient = (...endpoints: PodName[]): Expected => ({ endpoints, source: 'client' });
const asNode = (...endpoints: PodName[]): Expected => ({ endpoints, source: 'node' });

const { nodeIp } = world;

export const contract: readonly ContractCase[] = [
  {
    name: 'a cluster IP leads to every endpoint, on any node; only strangers get the node as their source',
    services: [service('plain', { clusterIP: '10.96.1.1' })],
    slices: [slice('plain', ['pod-b', 'pod-c'])],
    flows: flows('10.96.1.1', 80, {
      'pod-a': asClient('pod-b', 'pod-c'),
      node: asClient('pod-b', 'pod-c'),
      outside: asNode('pod-b', 'pod-c'),
    }),
  },
  {
    name: 'a pod reaches itself through its Service',
    services: [service('hairpin', { clusterIP: '10.96.1.2' })],
    slices: [slice('hairpin', ['pod-a'])],
    flows: flows('10.96.1.2', 80, { 'pod-a': asNode('pod-a'), 'pod-b': asClient('pod-a') }),
  },
  {
    name: 'an endpoint in the network of the node itself sees every client',
    services: [service('host', { clusterIP: '10.96.1.18', internalTrafficPolicy: 'Local', nodePort: 30018 })],
    slices: [slice('host', ['host-pod'])],
    flows: [
      ...flows('10.96.1.18', 80, {
        'pod-a': asClient('host-pod'),
        node: asClient('host-pod'),
        outside: asClient('host-pod'),
      }),
      ...flows(nodeIp, 30018, { 'pod-a': asClient('host-pod'), node: asClient('host-pod') }),
    ],
  },
  {
    name: 'UDP',
    services: [service('udp', { clusterIP: '10.96.1.3', protocol: 'UDP' })],
    slices: [slice('udp', ['pod-b', 'pod-c'], 'UDP')],
    flows: flows('10.96.1.3', 80, { 'pod-a': asClient('pod-b', 'pod-c'), node: asClient('pod-b', 'pod-c') }, 'UDP'),
  },
  {
    name: 'a Service without endpoints is refused',
    services: [
      service('none', { clusterIP: '10.96.1.4', nodePort: 30004 }),
      service('none-udp', { clusterIP: '10.96.1.5', protocol: 'UDP' }),
    ],
    slices: [],
    flows: [
      ...flows('10.96.1.4', 80, { 'pod-a': 'reject', node: 'reject', outside: 'reject' }),
      ...flows(nodeIp, 30004, { 'pod-a': 'reject', node: 'reject', outside: 'reject' }),
      ...flows('10.96.1.5', 80, { 'pod-a': 'reject', node: 'reject' }, 'UDP'),
    ],
  },
  {
    name: 'addresses that no Service owns, and ports that it does not have, are refused',
    services: [],
    slices: [],
    flows: [
      ...flows('10.96.200.1', 80, { 'pod-a': 'reject', node: 'reject' }),
      ...flows('10.96.1.1', 81, { 'pod-a': 'reject', node: 'reject' }),
      ...flows('10.96.1.1', 80, { 'pod-a': 'reject' }, 'UDP'),
    ],
  },
  {
    name: 'a node port answers on the node, for everyone; whoever is not the node comes as the node',
    services: [service('nodeport', { clusterIP: '10.96.1.6', nodePort: 30006 })],
    slices: [slice('nodeport', ['pod-b', 'pod-c'])],
    flows: flows(nodeIp, 30006, {
      'pod-a': asNode('pod-b', 'pod-c'),
      node: asClient('pod-b', 'pod-c'),
      'other-node': asNode('pod-b', 'pod-c'),
      outside: asNode('pod-b', 'pod-c'),
    }),
  },
  {
    name: 'externalTrafficPolicy Local: from outside only to endpoints of this node, which see the client',
    services: [service('local', { clusterIP: '10.96.1.7', nodePort: 30007, externalTrafficPolicy: 'Local' })],
    slices: [slice('local', ['pod-b', 'pod-c'])],
    flows: [
      ...flows(nodeIp, 30007, {
        'pod-a': asNode('pod-b', 'pod-c'),
        node: asClient('pod-b', 'pod-c'),
        outside: asClient('pod-b'),
      }),
      ...flows('10.96.1.7', 80, { 'pod-a': asClient('pod-b', 'pod-c') }),
    ],
  },
  {
    name: 'externalTrafficPolicy Local with no endpoint here: nothing from outside gets in',
    services: [service('local-none', { clusterIP: '10.96.1.8', nodePort: 30008, externalTrafficPolicy: 'Local' })],
    slices: [slice('local-none', ['pod-c'])],
    flows: flows(nodeIp, 30008, { 'pod-a': asNode('pod-c'), outside: 'drop' }),
  },
  {
    name: 'externalTrafficPolicy Local with no endpoint anywhere',
    services: [service('local-empty', { clusterIP: '10.96.1.9', nodePort: 30009, externalTrafficPolicy: 'Local' })],
    slices: [],
    flows: flows(nodeIp, 30009, { 'pod-a': 'reject', outside: 'reject' }),
  },
  {
    name: 'internalTrafficPolicy Local: only endpoints of this node',
    services: [
      service('internal', { clusterIP: '10.96.1.10', internalTrafficPolicy: 'Local' }),
      service('internal-none', { clusterIP: '10.96.1.11', internalTrafficPolicy: 'Local' }),
    ],
    slices: [slice('internal', ['pod-b', 'pod-c']), slice('internal-none', ['pod-c'])],
    flows: [
      ...flows('10.96.1.10', 80, { 'pod-a': asClient('pod-b'), node: asClient('pod-b') }),
      ...flows('10.96.1.11', 80, { 'pod-a': 'drop', node: 'drop' }),
    ],
  },
  {
    name: 'external addresses, of the spec and of a load balancer',
    services: [
      service('external', { clusterIP: '10.96.1.12', externalIPs: ['192.0.2.1'] }),
      {
        ...service('balancer', { clusterIP: '10.96.1.13', type: 'LoadBalancer', externalTrafficPolicy: 'Local' }),
        status: { loadBalancer: { ingress: [{ ip: '192.0.2.2' }, { ip: '192.0.2.3', ipMode: 'Proxy' }] } },
      },
      service('external-none', { clusterIP: '10.96.1.14', externalIPs: ['192.0.2.4'] }),
    ],
    slices: [slice('external', ['pod-b', 'pod-c']), slice('balancer', ['pod-b', 'pod-c'])],
    flows: [
      ...flows('192.0.2.1', 80, { 'pod-a': asNode('pod-b', 'pod-c'), outside: asNode('pod-b', 'pod-c') }),
      ...flows('192.0.2.2', 80, { 'pod-a': asNode('pod-b', 'pod-c'), outside: asClient('pod-b') }),
      ...flows('192.0.2.4', 80, { 'pod-a': 'reject', outside: 'reject' }),
    ],
  },
  {
    name: 'only the allowed sources reach the addresses of a load balancer; others hear nothing',
    services: [
      balancer('guarded', { clusterIP: '10.96.1.19', nodePort: 30019, ranges: ['10.244.1.2/32', '10.89.0.11/32'] }),
      balancer('guarded-none', { clusterIP: '10.96.1.20', nodePort: 30020, ranges: ['10.89.0.1/32'] }),
      balancer('guarded-local', { clusterIP: '10.96.1.21', nodePort: 30021, ranges: ['10.89.0.0/30'], local: true }),
    ],
    slices: [slice('guarded', ['pod-b', 'pod-c']), slice('guarded-local', ['pod-b', 'pod-c'])],
    flows: [
      ...flows('192.0.2.19', 80, {
        'pod-a': asNode('pod-b', 'pod-c'),
        node: asClient('pod-b', 'pod-c'),
        'pod-b': 'drop',
        outside: 'drop',
      }),
      // The cluster IP and node ports are not the load balancer's.
      ...flows('10.96.1.19', 80, { outside: asNode('pod-b', 'pod-c') }),
      ...flows(nodeIp, 30019, { outside: asNode('pod-b', 'pod-c') }),
      ...flows('192.0.2.20', 80, { 'pod-a': 'drop', outside: 'reject' }),
      ...flows('192.0.2.21', 80, { 'pod-a': 'drop', outside: asClient('pod-b') }),
    ],
  },
  {
    name: 'hints: endpoints for this node, or for all where one has no hint; a Local policy has none',
    services: [
      service('near', { clusterIP: '10.96.1.22', nodePort: 30022 }),
      service('near-some', { clusterIP: '10.96.1.23' }),
      service('near-local', { clusterIP: '10.96.1.24', internalTrafficPolicy: 'Local' }),
    ],
    slices: [
      hinted(slice('near', ['pod-b', 'pod-c']), ['node-1', 'node-2']),
      hinted(slice('near-some', ['pod-b', 'pod-c']), ['node-1']),
      hinted(slice('near-local', ['pod-b', 'pod-c']), ['node-2', 'node-1']),
    ],
    flows: [
      ...flows('10.96.1.22', 80, { 'pod-a': asClient('pod-b'), node: asClient('pod-b') }),
      ...flows(nodeIp, 30022, { outside: asNode('pod-b') }),
      ...flows('10.96.1.23', 80, { 'pod-a': asClient('pod-b', 'pod-c') }),
      ...flows('10.96.1.24', 80, { 'pod-a': asClient('pod-b') }),
    ],
  },
  {
    name: 'Local policies fall back to what terminates here, not to another node',
    services: [
      service('ending-here', { clusterIP: '10.96.1.25', internalTrafficPolicy: 'Local' }),
      service('ending-outside', { clusterIP: '10.96.1.26', nodePort: 30026, externalTrafficPolicy: 'Local' }),
    ],
    slices: [
      slice('ending-here', [{ pod: 'pod-b', ready: false, serving: true }, 'pod-c']),
      slice('ending-outside', [{ pod: 'pod-b', ready: false, serving: true }, 'pod-c']),
    ],
    flows: [
      ...flows('10.96.1.25', 80, { 'pod-a': asClient('pod-b'), node: asClient('pod-b') }),
      ...flows(nodeIp, 30026, { outside: asClient('pod-b'), 'pod-a': asNode('pod-c') }),
    ],
  },
  {
    name: 'several ports of one Service, each to its own, one of them by a name that means another number in each pod',
    services: [
      {
        ...service('ports', { clusterIP: '10.96.1.27' }),
        spec: {
          clusterIPs: ['10.96.1.27'],
          ports: [
            { name: 'main', protocol: 'TCP', port: 80 },
            { name: 'dns', protocol: 'UDP', port: 80 },
            { name: 'other', protocol: 'TCP', port: 81 },
          ],
        },
      },
    ],
    slices: [
      {
        ...slice('ports', ['pod-b']),
        ports: [
          { name: 'main', protocol: 'TCP', port: PORTS.TCP },
          { name: 'dns', protocol: 'UDP', port: PORTS.UDP },
          { name: 'other', protocol: 'TCP', port: 1 },
        ],
      },
      {
        ...slice('ports', ['pod-c']),
        metadata: { ...slice('ports', []).metadata, name: 'ports-2' },
        ports: [
          { name: 'main', protocol: 'TCP', port: 1 },
          { name: 'other', protocol: 'TCP', port: PORTS.TCP },
        ],
      },
    ],
    flows: [
      { from: 'pod-a', to: '10.96.1.27', port: 80, protocol: 'UDP', expect: asClient('pod-b') },
      { from: 'pod-a', to: '10.96.1.27', port: 82, protocol: 'TCP', expect: 'reject' },
    ],
  },
  {
    name: 'SCTP',
    services: [
      service('sctp', { clusterIP: '10.96.1.28', protocol: 'SCTP', nodePort: 30028 }),
      service('sctp-none', { clusterIP: '10.96.1.29', protocol: 'SCTP' }),
    ],
    slices: [slice('sctp', ['pod-b', 'pod-c'], 'SCTP')],
    flows: [
      ...flows('10.96.1.28', 80, { 'pod-a': asClient('pod-b', 'pod-c') }, 'SCTP'),
      ...flows(nodeIp, 30028, { outside: asNode('pod-b', 'pod-c') }, 'SCTP'),
      ...flows('10.96.1.29', 80, { 'pod-a': 'reject' }, 'SCTP'),
    ],
  },
  {
    name: 'headless Services and names of others: nothing is done for them',
    services: [
      { ...service('headless', { clusterIP: 'None' }) },
      {
        ...service('alias', { clusterIP: '', type: 'ExternalName' }),
        spec: { type: 'ExternalName', externalName: 'x.y' },
      },
    ],
    slices: [slice('headless', ['pod-b'])],
    flows: flows('10.244.1.3', PORTS.TCP, {}),
  },
  {
    name: 'what is not ready gets nothing; what terminates is used when nothing else is there',
    services: [service('ready', { clusterIP: '10.96.1.15' }), service('ending', { clusterIP: '10.96.1.16' })],
    slices: [
      slice('ready', ['pod-b', { pod: 'pod-c', ready: false, serving: true }]),
      slice('ending', [
        { pod: 'pod-b', ready: false, serving: true },
        { pod: 'pod-c', ready: false },
      ]),
    ],
    flows: [
      ...flows('10.96.1.15', 80, { 'pod-a': asClient('pod-b') }),
      ...flows('10.96.1.16', 80, { 'pod-a': asClient('pod-b') }),
    ],
  },
  {
    name: 'session affinity: a client stays with its endpoint',
    services: [
      service('sticky', {
        clusterIP: '10.96.1.17',
        nodePort: 30017,
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 100 } },
      }),
    ],
    slices: [slice('sticky', ['pod-b', 'pod-c'])],
    flows: [
      ...flows('10.96.1.17', 80, {
        'pod-a': { endpoints: ['pod-b', 'pod-c'], source: 'client', sticky: true },
        outside: { endpoints: ['pod-b', 'pod-c'], source: 'node', sticky: true },
      }),
      ...flows(nodeIp, 30017, { outside: { endpoints: ['pod-b', 'pod-c'], source: 'node', sticky: true } }),
    ],
  },
];
