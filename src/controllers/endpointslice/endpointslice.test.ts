import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { endpointSlices } from '../../api/kinds/endpointslice.ts';
import { services } from '../../api/kinds/service.ts';
import type { EndpointSlice, Node, Pod, Service } from '../../api/types.ts';
import { startTestCluster } from '../../testing/cluster.ts';
import { type Backend, backendsOf } from '../backends.ts';
import { MAX_ENDPOINTS, planSlices, type WantedSlice } from './plan.ts';
import { withTopology, zoneShares } from './topology.ts';

const ip = (index: number) => `10.0.${index >> 8}.${index & 255}`;

function backend(index: number, more: Partial<Backend> & { port?: number } = {}): Backend {
  const ports = [{ name: 'http', containerPort: more.port ?? 80 }];
  const pod = {
    metadata: { name: `p-${index}`, namespace: 'default', uid: `u-${index}` },
    spec: { nodeName: 'n', containers: [{ name: 'c', ports }] },
  } as unknown as Pod;
  return { pod, ips: [ip(index)], ready: true, serving: true, terminating: false, ...more };
}

function service(spec: object = {}): Service {
  return {
    metadata: { name: 'web' },
    spec: { ipFamilies: ['IPv4'], ports: [{ port: 80, targetPort: 'http' }], ...spec },
  } as unknown as Service;
}

let named = 0;

/** What the API server would hold after a plan. */
function stored(plan: readonly WantedSlice[]): EndpointSlice[] {
  return plan.map(({ name = `web-${++named}`, addressType, ports, endpoints }) => {
    return {
      metadata: { name },
      addressType,
      ports: structuredClone(ports),
      endpoints: structuredClone(endpoints),
    } as unknown as EndpointSlice;
  });
}

const plan = (backends: readonly Backend[], present: readonly EndpointSlice[] = [], spec: object = {}) =>
  planSlices({ service: service(spec), backends, present, zoneOf: () => undefined });
const range = (count: number, from = 0) => Array.from({ length: count }, (_, index) => backend(from + index));
const sizes = (slices: readonly WantedSlice[]) => slices.map(({ endpoints }) => endpoints.length);

test('planSlices() puts a hundred endpoints in a slice', () => {
  assert.deepEqual(sizes(plan(range(250))), [100, 100, 50]);
  assert.deepEqual(plan([]), [{ addressType: 'IPv4', ports: [], endpoints: [], name: undefined }]);
});

function written(before: readonly EndpointSlice[], after: readonly WantedSlice[]): number {
  const same = after.filter(({ name, endpoints, ports }) => {
    const old = before.find(({ metadata }) => metadata.name === name);
    return old && JSON.stringify([old.endpoints, old.ports]) === JSON.stringify([endpoints, ports]);
  });
  const kept = new Set(after.map(({ name }) => name));
  return after.length - same.length + before.filter(({ metadata }) => !kept.has(metadata.name)).length;
}

test('a change of one endpoint writes one slice', () => {
  const before = stored(plan(range(250)));
  const gone = plan(range(250).slice(1), before);
  assert.deepEqual([written(before, gone), sizes(gone)], [1, [99, 100, 50]]);
  const more = plan(range(251), before);
  assert.deepEqual([written(before, more), sizes(more)], [1, [100, 100, 51]]);
  const unready = plan([backend(0, { ready: false, serving: false }), ...range(249, 1)], before);
  assert.equal(written(before, unready), 1);
  const replaced = plan([...range(249, 1), backend(900)], before);
  assert.deepEqual([written(before, replaced), sizes(replaced)], [1, [100, 100, 50]]);
});

test('new endpoints fill the slice that is best filled, and make a new one when none has room', () => {
  const before = [...stored(plan(range(90))), ...stored(plan(range(20, 90)))];
  assert.deepEqual(sizes(plan(range(115), before)), [95, 20]);
  assert.deepEqual(sizes(plan(range(150), before)), [90, 60]);
  assert.deepEqual(sizes(plan(range(200), before)), [90, 20, 90]);
});

test('other ports have slices of their own, and a slice that ends becomes one that begins', () => {
  const before = stored(plan(range(3)));
  const moved = plan(
    [0, 1, 2].map((index) => backend(index, { port: 8080 })),
    before,
  );
  assert.deepEqual([moved.length, moved[0]!.name, moved[0]!.ports[0]!.port], [1, before[0]!.metadata.name, 8080]);
  const both = plan([backend(0), backend(1, { port: 8080 })], before);
  assert.deepEqual(
    both.map(({ ports, endpoints }) => [ports[0]!.port, endpoints.length]),
    [
      [80, 1],
      [8080, 1],
    ],
  );
});

test('both families of a dual-stack Service have slices', () => {
  const dual = backend(1, { ips: ['10.0.0.1', 'FD00:0::1'] });
  const slices = plan([dual, backend(2)], [], { ipFamilies: ['IPv4', 'IPv6'] });
  assert.deepEqual(
    slices.map(({ addressType, endpoints }) => [addressType, endpoints.map(({ addresses }) => addresses[0])]),
    [
      ['IPv4', ['10.0.0.1', '10.0.0.2']],
      ['IPv6', ['fd00::1']],
    ],
  );
});

test('every endpoint is in exactly one slice of at most a hundred, whatever comes and goes', () => {
  const world = fc.array(fc.uniqueArray(fc.nat(400), { maxLength: 350 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(world, (rounds) => {
      let present: EndpointSlice[] = [];
      for (const indexes of rounds) {
        const wanted = plan(
          indexes.map((index) => backend(index)),
          present,
        );
        const listed = wanted.flatMap(({ endpoints }) => endpoints.map(({ addresses }) => addresses[0]));
        assert.deepEqual(listed.toSorted(), indexes.map(ip).toSorted());
        assert.ok(sizes(wanted).every((size) => size <= MAX_ENDPOINTS));
        const names = wanted.map(({ name }) => name).filter((name) => name !== undefined);
        assert.equal(new Set(names).size, names.length);
        present = stored(wanted);
        assert.equal(
          written(
            present,
            plan(
              indexes.map((index) => backend(index)),
              present,
            ),
          ),
          0,
          'at rest',
        );
      }
    }),
    { numRuns: 40 },
  );
});

test('backendsOf() tells what is ready, serving and ending', () => {
  const pod = (name: string, ready: boolean, ending: boolean) =>
    ({
      metadata: { name, labels: { app: 'web' }, ...(ending ? { deletionTimestamp: 'x' } : {}) },
      status: {
        phase: 'Running',
        podIP: '10.0.0.1',
        conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      },
    }) as unknown as Pod;
  const all = [pod('a', true, false), pod('b', true, true), pod('c', false, false), pod('d', false, true)];
  const told = (spec: object) =>
    backendsOf(service({ selector: { app: 'web' }, ...spec }), all).map(({ ready, serving, terminating }) => [
      ready,
      serving,
      terminating,
    ]);
  assert.deepEqual(told({}), [
    [true, true, false],
    [false, true, true],
    [false, false, false],
    [false, false, true],
  ]);
  assert.deepEqual(
    told({ publishNotReadyAddresses: true }).map(([ready]) => ready),
    [true, true, true, true],
  );
});

test('slices of a Service that was made anew are not taken for its own', async () => {
  const { client, eventually, stop } = await startTestCluster();
  try {
    const web = {
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    };
    const slices = async () =>
      (await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=web' })).items;
    const owned = (uid: string) =>
      eventually(async () => {
        const found = await slices();
        return found.length === 1 && found[0]!.metadata.ownerReferences?.[0]?.uid === uid ? true : undefined;
      });
    const first = await client.create(services, web);
    await owned(first.metadata.uid!);
    await client.delete(services, { name: 'web', namespace: 'default' });
    const second = await client.create(services, web);
    await owned(second.metadata.uid!);
    await client.delete(services, { name: 'web', namespace: 'default' });
    await eventually(async () => ((await slices()).length === 0 ? true : undefined));
  } finally {
    stop();
  }
});

function zoned(zones: Record<string, number>): WantedSlice[] {
  const endpoints = Object.entries(zones).flatMap(([zone, count]) =>
    Array.from({ length: count }, (_, index) => ({
      addresses: [`${zone}-${index}`],
      conditions: { ready: true },
      zone,
    })),
  );
  return [{ addressType: 'IPv4', ports: [], endpoints }];
}

function workers(zones: Record<string, number>): Node[] {
  return Object.entries(zones).map(([zone, cpu]) => {
    const status = { conditions: [{ type: 'Ready', status: 'True' }], allocatable: { cpu: String(cpu) } };
    return { metadata: { name: zone, labels: { 'topology.kubernetes.io/zone': zone } }, status } as unknown as Node;
  });
}

test('endpoints are shared out to zones by what their nodes can do', () => {
  const rows: [Record<string, number>, Record<string, number>, Record<string, number> | string][] = [
    [
      { a: 3, b: 3 },
      { a: 4, b: 4 },
      { a: 3, b: 3 },
    ],
    [
      { a: 6, b: 0 },
      { a: 4, b: 4 },
      { a: 3, b: 3 },
    ],
    [
      { a: 4, b: 2 },
      { a: 4, b: 4 },
      { a: 3, b: 3 },
    ],
    [
      { a: 7, b: 5 },
      { a: 4, b: 4 },
      { a: 7, b: 5 },
    ],
    [{ a: 1, b: 0 }, { a: 4, b: 4 }, 'Insufficient number of endpoints'],
    [{ a: 2 }, { a: 4 }, 'Insufficient number of zones'],
    [
      { a: 2, b: 1 },
      { a: 4, b: 4 },
      'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold',
    ],
  ];
  for (const [present, cores, expected] of rows) {
    const { slices, outcomes } = withTopology(zoned(present), zoneShares(workers(cores)));
    const zones = slices.flatMap(({ endpoints }) => endpoints.map(({ hints }) => hints?.forZones?.[0]?.name));
    if (typeof expected === 'string') {
      assert.deepEqual([zones.filter(Boolean), outcomes], [[], [`${expected}, addressType: IPv4`]]);
      continue;
    }
    assert.deepEqual(outcomes, ['Topology Aware Hints has been enabled, addressType: IPv4']);
    for (const [zone, count] of Object.entries(expected))
      assert.equal(zones.filter((one) => one === zone).length, count, zone);
  }
});
