import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServicePort } from '../servicemap/service-port.ts';
import { staleUdp } from './stale-udp.ts';

const endpoint = { ip: '10.244.1.2', port: 53 };
const port: ServicePort = {
  key: 'default/dns:dns',
  family: 4,
  protocol: 'UDP',
  port: 53,
  nodePort: 30053,
  clusterIps: ['10.96.0.10'],
  externalIps: ['192.0.2.1'],
  loadBalancerIps: ['192.0.2.2'],
  sourceRanges: [],
  affinitySeconds: 0,
  internal: [endpoint],
  external: [endpoint],
  cluster: [endpoint],
  keepSource: false,
};

describe('staleUdp', () => {
  const isStale = staleUdp(new Map([['default/dns', [port]]]), ['10.96.0.0/16']);
  const rows: [string, string, number, string, number, boolean][] = [
    ['its endpoint', '10.96.0.10', 53, '10.244.1.2', 53, false],
    ['an endpoint that is gone', '10.96.0.10', 53, '10.244.1.9', 53, true],
    ['another port of the endpoint', '10.96.0.10', 53, '10.244.1.2', 54, true],
    ['an address that no Service has any more', '10.96.0.11', 53, '10.244.1.2', 53, true],
    ['a port that the Service has no more', '10.96.0.10', 54, '10.244.1.2', 53, true],
    ['an external address', '192.0.2.1', 53, '10.244.1.9', 53, true],
    ["a load balancer's", '192.0.2.2', 53, '10.244.1.2', 53, false],
    ['a node port', '10.89.0.11', 30053, '10.244.1.9', 53, true],
    ['a node port with its endpoint', '10.89.0.11', 30053, '10.244.1.2', 53, false],
    ['what is not translated', '10.96.0.11', 53, '10.96.0.11', 53, false],
    ["somebody else's", '192.0.2.9', 53, '10.244.1.9', 53, false],
  ];
  for (const [name, frontendIp, frontendPort, endpointIp, endpointPort, expected] of rows)
    it(`${name}: ${expected}`, () =>
      assert.equal(isStale({ frontendIp, frontendPort, endpointIp, endpointPort }), expected));
});
