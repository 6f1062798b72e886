import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '../api/types.ts';
import { ServiceMap } from './service-map.ts';

function service(name: string): Service {
  const spec = { clusterIPs: ['10.96.0.5'], ports: [{ port: 80 }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec };
}

function slice(name: string, of: string | undefined, ip: string, hints?: object): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'shop', labels: of ? { 'kubernetes.io/service-name': of } : {} },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080 }],
    endpoints: [{ addresses: [ip], ...(hints ? { hints } : {}) }],
  };
}

function summary(changes: ReturnType<ServiceMap['takeChanges']>): Record<string, string[]> {
  return Object.fromEntries(
    [...changes].map(([key, ports]) => [key, ports.flatMap(({ internal }) => internal.map(({ ip }) => ip))]),
  );
}

describe('ServiceMap', () => {
  it('tells each change once, for its Service only', () => {
    const map = new ServiceMap({ name: 'n1' });
    map.setService(service('a'));
    map.setService(service('b'));
    map.setSlice(slice('a-1', 'a', '10.0.0.1'));
    assert.deepEqual(summary(map.takeChanges()), { 'shop/a': ['10.0.0.1'], 'shop/b': [] });
    assert.deepEqual(summary(map.takeChanges()), {});
    map.setSlice(slice('a-2', 'a', '10.0.0.2'));
    assert.deepEqual(summary(map.takeChanges()), { 'shop/a': ['10.0.0.1', '10.0.0.2'] });
    map.deleteSlice(slice('a-1', 'a', '10.0.0.1'));
    assert.deepEqual(summary(map.takeChanges()), { 'shop/a': ['10.0.0.2'] });
  });

  it('slices may come before their Service, and outlive it', () => {
    const map = new ServiceMap({ name: 'n1' });
    map.setSlice(slice('a-1', 'a', '10.0.0.1'));
    assert.deepEqual(summary(map.takeChanges()), { 'shop/a': [] });
    map.setService(service('a'));
    assert.deepEqual(summary(map.takeChanges()), { 'shop/a': ['10.0.0.1'] });
    map.deleteService(service('a'));
    const gone = map.takeChanges();
    assert.deepEqual([...gone], [['shop/a', []]]);
    map.setService(service('a'));
    assert.deepEqual(summary(map.takeChanges()), { 'shop/a': ['10.0.0.1'] });
  });

  it('a slice that is given to another Service changes both; one of no Service changes nothing', () => {
    const map = new ServiceMap({ name: 'n1' });
    map.setService(service('a'));
    map.setService(service('b'));
    const mine = slice('s', 'a', '10.0.0.1');
    map.setSlice(mine);
    map.takeChanges();
    map.setSlice(slice('s', 'b', '10.0.0.1'), mine);
    assert.deepEqual(summary(map.takeChanges()), { 'shop/a': [], 'shop/b': ['10.0.0.1'] });
    map.setSlice(slice('t', undefined, '10.0.0.9'));
    assert.deepEqual(summary(map.takeChanges()), {});
  });

  it('snapshot: everything, and changes stay to be taken', () => {
    const map = new ServiceMap({ name: 'n1' });
    map.setService(service('a'));
    map.setSlice(slice('a-1', 'a', '10.0.0.1'));
    assert.deepEqual(summary(map.snapshot()), { 'shop/a': ['10.0.0.1'] });
    assert.deepEqual(summary(map.takeChanges()), { 'shop/a': ['10.0.0.1'] });
  });

  it('setZone: a new zone looks at all Services again, the same one at none', () => {
    const map = new ServiceMap({ name: 'n1' });
    map.setService(service('a'));
    map.setSlice(slice('a-1', 'a', '10.0.0.1', { forZones: [{ name: 'z1' }] }));
    map.setSlice(slice('a-2', 'a', '10.0.0.2', { forZones: [{ name: 'z2' }] }));
    map.takeChanges();
    assert.equal(map.setZone('z2'), true);
    assert.deepEqual(summary(map.takeChanges()), { 'shop/a': ['10.0.0.2'] });
    assert.equal(map.setZone('z2'), false);
    assert.deepEqual(summary(map.takeChanges()), {});
  });
});
