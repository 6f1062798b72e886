import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, Service } from '../../api/types.ts';
import type { Backend } from '../backends.ts';
import { MAX_ADDRESSES, planEndpoints } from './plan.ts';

function backend(
  index: number,
  { ready = true, terminating = false, ports = { http: 80 } as Record<string, number>, ips = [] as string[] } = {},
): Backend {
  const containerPorts = Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort }));
  const pod = {
    metadata: { name: `p-${index}`, uid: `u-${index}` },
    spec: { containers: [{ name: 'c', ports: containerPorts }] },
  } as unknown as Pod;
  const own = ips.length > 0 ? ips : [`10.0.${index >> 8}.${index & 255}`];
  return { pod, ips: own, ready, serving: ready, terminating };
}

function service(ports: string[] = ['http'], spec: object = {}): Service {
  const all = ports.map((name, index) => ({ name, port: 80 + index, targetPort: name }));
  return { metadata: { name: 'web' }, spec: { ipFamilies: ['IPv4'], ports: all, ...spec } } as unknown as Service;
}

test('addresses are sorted, ready apart from others, ending ones left out', () => {
  const { subsets } = planEndpoints(service(), [
    backend(3),
    backend(1),
    backend(2, { ready: false }),
    backend(4, { terminating: true }),
  ]);
  assert.equal(subsets.length, 1);
  assert.deepEqual(
    subsets[0]!.addresses?.map(({ ip }) => ip),
    ['10.0.0.1', '10.0.0.3'],
  );
  assert.deepEqual(
    subsets[0]!.notReadyAddresses?.map(({ ip }) => ip),
    ['10.0.0.2'],
  );
  assert.deepEqual(subsets[0]!.ports, [{ name: 'http', protocol: 'TCP', port: 80 }]);
});

test('ports with the same addresses share a subset, others do not', () => {
  const mixed = [backend(1, { ports: { http: 80, admin: 9000 } }), backend(2, { ports: { http: 8080, admin: 9000 } })];
  const told = planEndpoints(service(['http', 'admin']), mixed).subsets.map(({ addresses, ports }) => [
    addresses!.map(({ ip }) => ip).join(),
    ports!.map(({ port }) => port).join(),
  ]);
  assert.deepEqual(told.sort(), [
    ['10.0.0.1,10.0.0.2', '9000'],
    ['10.0.0.1', '80'],
    ['10.0.0.2', '8080'],
  ]);
});

test('a headless Service without ports has addresses all the same', () => {
  const { subsets } = planEndpoints(service([], { clusterIP: 'None' }), [backend(1)]);
  assert.deepEqual(
    subsets.map(({ addresses, ports }) => [addresses!.length, ports]),
    [[1, []]],
  );
});

test('only the first family of a Service is told', () => {
  const dual = backend(1, { ips: ['10.0.0.1', 'fd00::1'] });
  const of = (ipFamilies: string[]) =>
    planEndpoints(service(['http'], { ipFamilies }), [dual]).subsets[0]!.addresses![0]!.ip;
  assert.equal(of(['IPv4', 'IPv6']), '10.0.0.1');
  assert.equal(of(['IPv6', 'IPv4']), 'fd00::1');
});

test('a thousand addresses are kept, ready ones first, each subset its share', () => {
  const many = (count: number, from: number, more: object) =>
    Array.from({ length: count }, (_, index) => backend(from + index, more));
  const small = planEndpoints(service(), many(MAX_ADDRESSES, 0, {}));
  assert.equal(small.truncated, false);
  const mixed = planEndpoints(service(), [...many(900, 0, {}), ...many(300, 900, { ready: false })]);
  assert.deepEqual(
    [mixed.truncated, mixed.subsets[0]!.addresses!.length, mixed.subsets[0]!.notReadyAddresses!.length],
    [true, 900, 100],
  );
  const two = planEndpoints(service(), [...many(1500, 0, {}), ...many(500, 1500, { ports: { http: 8080 } })]);
  assert.deepEqual(
    two.subsets.map(({ addresses }) => addresses!.length),
    [750, 250],
  );
});
