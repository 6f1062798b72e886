import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoints } from '../../api/kinds/endpoints.ts';
import { endpointSlices } from '../../api/kinds/endpointslice.ts';
import { services } from '../../api/kinds/service.ts';
import type { Endpoints } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { planMirror } from './plan.ts';

const KEY = { name: 'external', namespace: 'default' };
const PORTS = [{ name: 'http', port: 80, protocol: 'TCP' as const }];

test('planMirror() makes a slice for each set of ports and family', () => {
  const subsets = [
    {
      addresses: [{ ip: '192.0.2.1', nodeName: 'n', hostname: 'h' }, { ip: 'FD00:0::1' }],
      notReadyAddresses: [{ ip: '192.0.2.2' }],
      ports: [{ port: 80 }],
    },
    { addresses: [{ ip: '192.0.2.3' }, { ip: 'nonsense' }], ports: [{ name: 'x', port: 81 }] },
  ];
  const { slices, skipped, invalid } = planMirror({ subsets } as unknown as Endpoints);
  assert.deepEqual(slices, [
    {
      addressType: 'IPv4',
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
      endpoints: [
        { addresses: ['192.0.2.1'], conditions: { ready: true }, hostname: 'h', nodeName: 'n' },
        { addresses: ['192.0.2.2'], conditions: { ready: false } },
      ],
    },
    {
      addressType: 'IPv6',
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
      endpoints: [{ addresses: ['fd00::1'], conditions: { ready: true } }],
    },
    {
      addressType: 'IPv4',
      ports: [{ name: 'x', port: 81, protocol: 'TCP' }],
      endpoints: [{ addresses: ['192.0.2.3'], conditions: { ready: true } }],
    },
  ]);
  assert.deepEqual([skipped, invalid], [0, 1]);
  const many = Array.from({ length: 1100 }, (_, index) => ({ ip: `10.${index >> 8}.0.${index & 255}` }));
  const large = planMirror({ subsets: [{ addresses: many, ports: [] }] } as unknown as Endpoints);
  assert.deepEqual([large.slices[0]!.endpoints.length, large.skipped], [1000, 100]);
});

async function withCluster(run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  try {
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

async function mirrored({ client }: TestCluster): Promise<string[]> {
  const { items } = await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=external' });
  return items.flatMap((slice) => slice.endpoints.flatMap(({ addresses }) => addresses)).sort();
}

function become(cluster: TestCluster, expected: string[]): Promise<true> {
  return cluster.eventually(async () => ((await mirrored(cluster)).join() === expected.join() ? true : undefined));
}

test('Endpoints made by hand for a Service without a selector have slices, which follow them and go with them', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    const subset = (...ips: string[]) => [{ addresses: ips.map((ip) => ({ ip })), ports: PORTS }];
    await client.create(endpoints, {
      metadata: { ...KEY, labels: { team: 'a' } },
      subsets: subset('192.0.2.1', '192.0.2.2'),
    });
    await client.create(services, { metadata: KEY, spec: { ports: [{ name: 'http', port: 80 }] } });
    await become(cluster, ['192.0.2.1', '192.0.2.2']);
    const [slice] = (await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=external' })).items;
    assert.deepEqual(slice!.metadata.labels, {
      team: 'a',
      'kubernetes.io/service-name': 'external',
      'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
    });
    assert.deepEqual(
      [slice!.addressType, slice!.ports, slice!.metadata.ownerReferences?.[0]?.kind],
      ['IPv4', PORTS, 'Endpoints'],
    );
    await client.patch(endpoints, KEY, { type: 'merge', body: { subsets: subset('192.0.2.3') } });
    await become(cluster, ['192.0.2.3']);
    await client.patch(services, KEY, { type: 'merge', body: { spec: { selector: { app: 'x' } } } });
    await become(cluster, []);
    await client.patch(services, KEY, { type: 'merge', body: { spec: { selector: null } } });
    await client.patch(endpoints, KEY, { type: 'merge', body: { subsets: subset('192.0.2.4') } });
    await become(cluster, ['192.0.2.4']);
    await client.delete(endpoints, KEY);
    await become(cluster, []);
  }));

test('what asks not to be mirrored is not', () =>
  withCluster(async (cluster) => {
    const { client, eventually } = cluster;
    const labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
    const subsets = [{ addresses: [{ ip: '192.0.2.1' }], ports: PORTS }];
    await client.create(services, { metadata: KEY, spec: { ports: [{ name: 'http', port: 80 }] } });
    await client.create(endpoints, { metadata: { ...KEY, labels }, subsets });
    const other = { name: 'other', namespace: 'default' };
    await client.create(services, { metadata: other, spec: { ports: [{ name: 'http', port: 80 }] } });
    await client.create(endpoints, { metadata: other, subsets });
    await eventually(async () =>
      (await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=other' })).items[0]
        ? true
        : undefined,
    );
    assert.deepEqual(await mirrored(cluster), []);
  }));
