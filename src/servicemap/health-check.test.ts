import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '../api/types.ts';
import { healthCheckOf } from './health-check.ts';

const balancer = (more: object = {}) =>
  ({
    spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000, ...more },
  }) as unknown as Service;

function slice(...endpoints: [ip: string, node: string, ready: boolean][]): EndpointSlice {
  return {
    endpoints: endpoints.map(([ip, nodeName, ready]) => ({ addresses: [ip], nodeName, conditions: { ready } })),
  } as unknown as EndpointSlice;
}

describe('healthCheckOf', () => {
  it('counts ready endpoints of this node, each once', () => {
    const slices = [
      slice(['10.0.0.1', 'n1', true], ['10.0.0.2', 'n2', true], ['10.0.0.3', 'n1', false]),
      slice(['10.0.0.1', 'n1', true], ['10.0.0.4', 'n1', true]),
    ];
    assert.deepEqual(healthCheckOf(balancer(), slices, 'n1'), { port: 31_000, localEndpoints: 2 });
    assert.deepEqual(healthCheckOf(balancer(), slices, 'n3'), { port: 31_000, localEndpoints: 0 });
  });

  for (const more of [{ type: 'NodePort' }, { externalTrafficPolicy: 'Cluster' }, { healthCheckNodePort: 0 }])
    it(`none with ${JSON.stringify(more)}`, () => assert.equal(healthCheckOf(balancer(more), [], 'n1'), undefined));
});
