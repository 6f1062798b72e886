import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ServicePort } from '../../api/resource.ts';
import type { Service } from '../../api/types.ts';
import { parseCidr } from '../../lib/ip.ts';
import { addressBand, portBand } from './pool.ts';
import { createServiceAllocator } from './service.ts';

const WRITE = { dryRun: false, user: { username: 'test', groups: [] } };

function allocatorOf(
  options: {
    cidr?: string;
    secondary?: string;
    from?: number;
    to?: number;
    services?: Service[];
    random?: () => number;
  } = {},
) {
  const { cidr = '10.96.0.0/24', from = 30000, to = 32767, services = [], random = () => 0 } = options;
  const serviceCidr = parseCidr(cidr)!;
  const secondary = options.secondary ? { secondaryCidr: parseCidr(options.secondary)! } : {};
  return createServiceAllocator({ serviceCidr, ...secondary, nodePortRange: { from, to }, random, services });
}

function serviceOf(spec: Service['spec'] = { ports: [{ port: 80 }] }): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'x', namespace: 'default' },
    spec: structuredClone(spec),
  };
}

const nodePort = (...ports: ServicePort[]) => serviceOf({ type: 'NodePort', ports });

test('bands: the lower part of a range is left to those who ask by number', () => {
  const addresses: [number, number][] = [
    [16, 0],
    [32, 16],
    [256, 16],
    [1024, 64],
    [4096, 256],
    [65536, 256],
  ];
  for (const [size, band] of addresses) assert.equal(addressBand(size), band, `${size} addresses`);
  const ports: [number, number][] = [
    [16, 0],
    [17, 16],
    [2768, 86],
    [10_000, 128],
  ];
  for (const [size, band] of ports) assert.equal(portBand(size), band, `${size} ports`);
});

test('an address comes from the upper band, then from the lower one, then the range is full', () => {
  const allocator = allocatorOf({ cidr: '10.96.0.0/27' });
  const given = Array.from({ length: 30 }, () => {
    const service = serviceOf();
    allocator.create!(service, WRITE);
    return service.spec!.clusterIP;
  });
  assert.equal(given[0], '10.96.0.17');
  assert.equal(given[13], '10.96.0.30');
  assert.equal(given[14], '10.96.0.1');
  assert.equal(new Set(given).size, 30);
  assert.throws(() => allocator.create!(serviceOf(), WRITE), /failed to allocate a serviceIP: range is full/);
});

test('fields that go with an address', () => {
  const rows: [Service['spec'], string | undefined, string[] | undefined, string | undefined][] = [
    [{ ports: [{ port: 80 }] }, '10.96.0.17', ['IPv4'], 'SingleStack'],
    [{ ports: [{ port: 80 }], ipFamilyPolicy: 'PreferDualStack' }, '10.96.0.17', ['IPv4'], 'PreferDualStack'],
    [{ clusterIP: 'None', clusterIPs: ['None'], selector: { a: 'b' } }, 'None', ['IPv4'], 'SingleStack'],
    [{ clusterIP: 'None', clusterIPs: ['None'] }, 'None', ['IPv4', 'IPv6'], 'RequireDualStack'],
    [{ type: 'ExternalName', externalName: 'a.b' }, undefined, undefined, undefined],
  ];
  for (const [spec, clusterIP, families, policy] of rows) {
    const service = serviceOf(spec);
    allocatorOf().create!(service, WRITE);
    assert.equal(service.spec!.clusterIP, clusterIP);
    assert.deepEqual(service.spec!.ipFamilies, families);
    assert.equal(service.spec!.ipFamilyPolicy, policy);
  }
});

test('refusals', () => {
  const allocator = allocatorOf();
  const ip = (clusterIP: string) => serviceOf({ clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80 }] });
  allocator.create!(ip('10.96.0.5'), WRITE);
  allocator.create!(nodePort({ port: 80, nodePort: 30080 }), WRITE);
  const balancer: Service['spec'] = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ port: 80 }] };
  const rows: [Service, number, RegExp][] = [
    [
      ip('10.96.0.5'),
      422,
      /spec\.clusterIPs: Invalid value: \["10\.96\.0\.5"\]: failed to allocate IP 10\.96\.0\.5: provided IP is already allocated/,
    ],
    [ip('10.96.0.0'), 422, /\(10\.96\.0\.0\) is not in the valid range\. The range of valid IPs is 10\.96\.0\.0\/24/],
    [ip('10.96.0.255'), 422, /is not in the valid range/],
    [
      nodePort({ port: 81, nodePort: 30080 }),
      422,
      /spec\.ports\[0\]\.nodePort: Invalid value: 30080: provided port is already allocated/,
    ],
    [nodePort({ port: 81, nodePort: 30080, protocol: 'UDP' }), 422, /provided port is already allocated/],
    [
      nodePort({ port: 81, nodePort: 80 }),
      422,
      /provided port is not in the valid range\. The range of valid ports is 30000-32767/,
    ],
    [
      serviceOf({ ipFamilyPolicy: 'RequireDualStack', ports: [] }),
      422,
      /this cluster is not configured for dual-stack services/,
    ],
    [
      serviceOf({ ipFamilies: ['IPv6'], ports: [] }),
      422,
      /spec\.ipFamilies\[0\]: Invalid value: "IPv6": not configured on this cluster/,
    ],
    [
      serviceOf({ ...balancer, healthCheckNodePort: 30080 }),
      500,
      /HealthCheck NodePort 30080: provided port is already allocated/,
    ],
    [
      serviceOf({ ...balancer, healthCheckNodePort: 1 }),
      500,
      /HealthCheck NodePort 1: provided port is not in the valid range/,
    ],
  ];
  for (const [service, code, message] of rows) {
    assert.throws(
      () => allocator.create!(service, WRITE),
      (error: Error & { code: number }) => {
        assert.match(error.message, message);
        return error.code === code;
      },
    );
  }
});

test('a refused Service leaves nothing taken', () => {
  const allocator = allocatorOf();
  allocator.create!(nodePort({ port: 80, nodePort: 30080 }), WRITE);
  const spec = { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'] };
  const wrong = serviceOf({ ...spec, type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
  assert.throws(() => allocator.create!(wrong, WRITE), /already allocated/);
  allocator.create!(serviceOf({ ...spec, ports: [{ port: 80 }] }), WRITE);
});

test('ports of one Service with the same number share a node port', () => {
  const service = nodePort({ port: 53, protocol: 'UDP' }, { port: 53, protocol: 'TCP' }, { port: 80 });
  allocatorOf().create!(service, WRITE);
  assert.deepEqual(
    service.spec!.ports!.map((port) => port.nodePort),
    [30086, 30086, 30087],
  );
});

test('node ports of load balancers are optional, those asked for are kept', () => {
  const ports = [{ port: 80 }, { port: 81, nodePort: 30081 }];
  const service = serviceOf({ type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports });
  allocatorOf().create!(service, WRITE);
  assert.deepEqual(
    service.spec!.ports!.map((port) => port.nodePort),
    [undefined, 30081],
  );
});

test('what is there at the start is taken; what is deleted is free again', () => {
  const old = serviceOf({
    type: 'NodePort',
    clusterIP: '10.96.0.17',
    clusterIPs: ['10.96.0.17'],
    ports: [{ port: 80, nodePort: 30086 }],
  });
  const allocator = allocatorOf({ services: [old] });
  const next = nodePort({ port: 80 });
  allocator.create!(next, WRITE);
  assert.deepEqual([next.spec!.clusterIP, next.spec!.ports![0]!.nodePort], ['10.96.0.18', 30087]);
  allocator.committed!(undefined, old);
  const again = nodePort({ port: 80 });
  allocator.create!(again, WRITE);
  assert.deepEqual([again.spec!.clusterIP, again.spec!.ports![0]!.nodePort], ['10.96.0.17', 30086]);
});

test('an update takes before the write and releases after it, or the other way round when it fails', () => {
  const old = serviceOf({
    type: 'NodePort',
    clusterIP: '10.96.0.17',
    clusterIPs: ['10.96.0.17'],
    ports: [{ port: 80, nodePort: 30086 }],
  });
  const changed = (nodePort: number) => serviceOf({ ...old.spec!, ports: [{ port: 80, nodePort }] });
  const other = (nodePort: number) => () =>
    allocator.create!(serviceOf({ type: 'NodePort', ports: [{ port: 1, nodePort }] }), WRITE);
  const allocator = allocatorOf({ services: [old] });
  const service = changed(30100);
  allocator.update!(service, old, WRITE);
  assert.throws(other(30100), /already allocated/);
  assert.throws(other(30086), /already allocated/);
  allocator.aborted!(service, old);
  allocator.update!(service, old, WRITE);
  allocator.committed!(service, old);
  assert.throws(other(30100), /already allocated/);
  other(30086)();
});

describe('a cluster of both families', () => {
  const dual = (services: Service[] = []) => allocatorOf({ secondary: 'fd00:10:96::/108', services });
  const rows: [string, Service['spec'], object][] = [
    [
      'one family unless asked',
      {},
      { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'], clusterIPs: ['10.96.0.17'] },
    ],
    [
      'the other family alone',
      { ipFamilies: ['IPv6'] },
      { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'], clusterIPs: ['fd00:10:96::101'] },
    ],
    [
      'both',
      { ipFamilyPolicy: 'PreferDualStack' },
      {
        ipFamilyPolicy: 'PreferDualStack',
        ipFamilies: ['IPv4', 'IPv6'],
        clusterIPs: ['10.96.0.17', 'fd00:10:96::101'],
      },
    ],
    [
      'both, in another order',
      { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] },
      {
        ipFamilyPolicy: 'RequireDualStack',
        ipFamilies: ['IPv6', 'IPv4'],
        clusterIPs: ['fd00:10:96::101', '10.96.0.17'],
      },
    ],
    [
      'addresses by name say the families',
      { clusterIP: 'fd00:10:96::5', clusterIPs: ['fd00:10:96::5', '10.96.0.5'] },
      {
        ipFamilyPolicy: 'RequireDualStack',
        ipFamilies: ['IPv6', 'IPv4'],
        clusterIPs: ['fd00:10:96::5', '10.96.0.5'],
      },
    ],
  ];
  for (const [name, spec, expected] of rows)
    test(name, () => {
      const service = serviceOf(spec);
      dual().create!(service, WRITE);
      const { ipFamilyPolicy, ipFamilies, clusterIPs, clusterIP } = service.spec!;
      assert.deepEqual({ ipFamilyPolicy, ipFamilies, clusterIPs }, expected);
      assert.equal(clusterIP, clusterIPs![0]);
    });

  test('a second address comes and goes with the policy, and is free again then', () => {
    const allocator = dual();
    const single = serviceOf();
    allocator.create!(single, WRITE);
    const both = serviceOf({ ...single.spec!, ipFamilyPolicy: 'PreferDualStack' });
    allocator.update!(both, single, WRITE);
    allocator.committed!(both, single);
    assert.deepEqual(both.spec!.clusterIPs, ['10.96.0.17', 'fd00:10:96::101']);
    const back = serviceOf({ ...both.spec!, ipFamilyPolicy: 'SingleStack' });
    allocator.update!(back, both, WRITE);
    allocator.committed!(back, both);
    assert.deepEqual([back.spec!.clusterIPs, back.spec!.ipFamilies], [['10.96.0.17'], ['IPv4']]);
    const next = serviceOf({ ipFamilies: ['IPv6'] });
    allocator.create!(next, WRITE);
    assert.deepEqual(next.spec!.clusterIPs, ['fd00:10:96::101']);
  });

  test('a cluster of one family gives what it has, or refuses', () => {
    const preferred = serviceOf({ ipFamilyPolicy: 'PreferDualStack' });
    allocatorOf().create!(preferred, WRITE);
    assert.deepEqual(preferred.spec!.ipFamilies, ['IPv4']);
    for (const spec of [{ ipFamilyPolicy: 'RequireDualStack' as const }, { ipFamilies: ['IPv6' as const] }])
      assert.throws(() => allocatorOf().create!(serviceOf(spec), WRITE), /not configured/);
  });
});

test('no address is ever given twice', () => {
  const step = fc.record({
    remove: fc.boolean(),
    at: fc.nat(),
    chance: fc.double({ min: 0, max: 0.999, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let chance = 0;
      const live: Service[] = [];
      const allocator = allocatorOf({ cidr: '10.96.0.0/28', random: () => chance });
      for (const { remove, at, chance: next } of steps) {
        chance = next;
        if (remove && live.length > 0) {
          allocator.committed!(undefined, live.splice(at % live.length, 1)[0]);
        } else if (live.length < 14) {
          const service = serviceOf();
          allocator.create!(service, WRITE);
          allocator.committed!(service, undefined);
          live.push(service);
        }
        assert.equal(new Set(live.map((service) => service.spec!.clusterIP)).size, live.length);
      }
    }),
  );
});
