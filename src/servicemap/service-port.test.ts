import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '../api/types.ts';
import { type ServicePort, servicePorts } from './service-port.ts';

type Endpoints = NonNullable<EndpointSlice['endpoints']>;

function service(spec: Service['spec'] = {}, status: Service['status'] = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { clusterIPs: ['10.96.0.5'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
    status,
  };
}

function slice(endpoints: Endpoints, more: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'shop' },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints,
    ...more,
  };
}

const at = (ip: string, more: object = {}): Endpoints[number] => ({
  addresses: [ip],
  conditions: { ready: true },
  ...more,
});
const ending = (ip: string, more: object = {}) =>
  at(ip, { conditions: { ready: false, serving: true, terminating: true }, ...more });
const ips = (list: ServicePort['internal']) => list.map(({ ip }) => ip);
const only = (ports: readonly ServicePort[]) => {
  assert.equal(ports.length, 1);
  return ports[0]!;
};
const node = { name: 'n1', zone: 'z1' };

describe('servicePorts', () => {
  it('says what a node owes a port', () => {
    const spec: Service['spec'] = {
      sessionAffinity: 'ClientIP',
      externalIPs: ['192.0.2.1'],
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    };
    const status = {
      loadBalancer: {
        ingress: [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }, { hostname: 'x' }, { ip: '192.0.2.3', ipMode: 'Proxy' }],
      },
    };
    const endpoint = { ip: '10.244.1.2', port: 8080 };
    assert.deepEqual(servicePorts(service(spec, status), [slice([at('10.244.1.2')])], node), [
      {
        key: 'shop/web:http',
        family: 4,
        protocol: 'TCP',
        port: 80,
        nodePort: 30080,
        clusterIps: ['10.96.0.5'],
        externalIps: ['192.0.2.1'],
        loadBalancerIps: ['192.0.2.2'],
        sourceRanges: [],
        affinitySeconds: 10_800,
        keepSource: false,
        internal: [endpoint],
        external: [endpoint],
        cluster: [endpoint],
      },
    ]);
  });

  const none: [string, Service['spec']][] = [
    ['headless', { clusterIPs: ['None'] }],
    ['ExternalName', { type: 'ExternalName', clusterIPs: [] }],
    ['not given an address yet', { clusterIPs: [] }],
    ['IPv6 only', { clusterIPs: ['fd00::1'] }],
  ];
  for (const [name, spec] of none)
    it(`nothing for a Service that is ${name}`, () => assert.deepEqual(servicePorts(service(spec), [], node), []));

  const rows: [string, EndpointSlice[], string[]][] = [
    ['ready ones, in a fixed order', [slice([at('10.0.0.2'), at('10.0.0.1')])], ['10.0.0.1', '10.0.0.2']],
    ['no condition means ready', [slice([{ addresses: ['10.0.0.1'] }])], ['10.0.0.1']],
    ['terminating ones stay out', [slice([at('10.0.0.1'), ending('10.0.0.2')])], ['10.0.0.1']],
    [
      'unless nothing else is there',
      [slice([ending('10.0.0.2'), at('10.0.0.3', { conditions: { ready: false } })])],
      ['10.0.0.2'],
    ],
    ['one in two slices is one', [slice([at('10.0.0.1')]), slice([at('10.0.0.1')])], ['10.0.0.1']],
    ['and the slice that says ready is right', [slice([ending('10.0.0.1')]), slice([at('10.0.0.1')])], ['10.0.0.1']],
    ['IPv6 slices are passed over', [slice([at('fd00::1')], { addressType: 'IPv6' })], []],
    ['so are other ports', [slice([at('10.0.0.1')], { ports: [{ name: 'metrics', port: 1 }] })], []],
    ['and other protocols', [slice([at('10.0.0.1')], { ports: [{ name: 'http', port: 1, protocol: 'UDP' }] })], []],
    [
      'ports by the number of each slice',
      [slice([at('10.0.0.1')], { ports: [{ name: 'http', port: 9 }] })],
      ['10.0.0.1'],
    ],
  ];
  for (const [name, slices, expected] of rows)
    it(`endpoints: ${name}`, () =>
      assert.deepEqual(ips(only(servicePorts(service(), slices, node)).cluster), expected));

  it('Local policies keep to this node, each for its traffic', () => {
    const slices = [slice([at('10.0.0.1', { nodeName: 'n1' }), at('10.0.0.2', { nodeName: 'n2' })])];
    const internal = only(servicePorts(service({ internalTrafficPolicy: 'Local' }), slices, node));
    assert.deepEqual([ips(internal.internal), ips(internal.external)], [['10.0.0.1'], ['10.0.0.1', '10.0.0.2']]);
    const external = only(servicePorts(service({ externalTrafficPolicy: 'Local' }), slices, node));
    assert.deepEqual([ips(external.internal), ips(external.external)], [['10.0.0.1', '10.0.0.2'], ['10.0.0.1']]);
    assert.equal(external.keepSource, true);
  });

  it('Local policies use a terminating endpoint of this node rather than a ready one of another', () => {
    const slices = [slice([ending('10.0.0.1', { nodeName: 'n1' }), at('10.0.0.2', { nodeName: 'n2' })])];
    const port = only(servicePorts(service({ internalTrafficPolicy: 'Local' }), slices, node));
    assert.deepEqual([ips(port.internal), ips(port.cluster)], [['10.0.0.1'], ['10.0.0.2']]);
  });

  const zone = (name: string) => ({ hints: { forZones: [{ name }] } });
  const hints: [string, Endpoints, string[]][] = [
    ['endpoints of this zone', [at('10.0.0.1', zone('z1')), at('10.0.0.2', zone('z2'))], ['10.0.0.1']],
    ['all, when one has no hint', [at('10.0.0.1', zone('z1')), at('10.0.0.2')], ['10.0.0.1', '10.0.0.2']],
    [
      'all, when none is for this zone',
      [at('10.0.0.1', zone('z2')), at('10.0.0.2', zone('z3'))],
      ['10.0.0.1', '10.0.0.2'],
    ],
    [
      'all, when they terminate',
      [ending('10.0.0.1', zone('z1')), ending('10.0.0.2', zone('z2'))],
      ['10.0.0.1', '10.0.0.2'],
    ],
    [
      'this node before this zone',
      [
        at('10.0.0.1', { hints: { forZones: [{ name: 'z1' }], forNodes: [{ name: 'n1' }] } }),
        at('10.0.0.2', { hints: { forZones: [{ name: 'z1' }], forNodes: [{ name: 'n2' }] } }),
      ],
      ['10.0.0.1'],
    ],
  ];
  for (const [name, endpoints, expected] of hints)
    it(`hints: ${name}`, () => {
      assert.deepEqual(ips(only(servicePorts(service(), [slice(endpoints)], node)).internal), expected);
    });

  it('hints for zones are not followed on a node without one', () => {
    const slices = [slice([at('10.0.0.1', zone('z1')), at('10.0.0.2', zone('z2'))])];
    assert.equal(only(servicePorts(service(), slices, { name: 'n1' })).internal.length, 2);
  });
});
