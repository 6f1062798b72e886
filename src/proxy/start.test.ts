import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice, Service } from '../api/types.ts';
import { FakeNft } from '../host/nft-fake.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { nftablesBackend } from './nftables/backend.ts';
import type { Sync } from './observe.ts';
import { type ProxyOptions, startProxy } from './start.ts';

const ADDRESSES = { clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', nodeIps: ['10.89.0.11'] };

function service(name: string, ip: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { clusterIPs: [ip], ports: [{ port: 80, protocol: 'TCP' }] },
  };
}

function slice(of: string, ...ips: string[]): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${of}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080 }],
    endpoints: ips.map((ip) => ({ addresses: [ip] })),
  };
}

function setup(more: Partial<ProxyOptions> = {}) {
  const informers = new PlainInformers();
  const caches = { services: informers.of(services), slices: informers.of(endpointSlices), nodes: informers.of(nodes) };
  const nft = new FakeNft();
  const clock = new FakeClock();
  const stop = new AbortController();
  const backend = nftablesBackend(nft, ADDRESSES);
  const shared = { informers, backend, clock, random: () => 1, log: silentLogger, signal: stop.signal };
  const options = { ...shared, ...more };
  const start = () => startProxy({ ...options, nodeName: 'node-1' });
  const map = (name: string) => [...(nft.tables.get('ip sampan')?.maps.get(name)?.keys() ?? [])];
  return { ...caches, informers, nft, backend, clock, stop, start, map };
}

/** Until all that follows from what was done is done: nothing here waits for time. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('startProxy', () => {
  it('sets nothing before the caches are complete, then all at once, then what changes', async () => {
    const bench = setup();
    bench.services.set(service('a', '10.96.0.1'));
    bench.slices.set(slice('a', '10.244.0.1'));
    const started = bench.start();
    await settled();
    assert.equal(bench.nft.transactions.length, 0);
    bench.informers.markSynced();
    await started;
    assert.equal(bench.nft.transactions.length, 1);
    assert.deepEqual(bench.map('services'), ['10.96.0.1 . tcp . 80']);
    bench.services.set(service('b', '10.96.0.2'));
    bench.slices.set(slice('b', '10.244.0.2'));
    await settled();
    assert.deepEqual(bench.map('services'), ['10.96.0.1 . tcp . 80', '10.96.0.2 . tcp . 80']);
    assert.equal(bench.nft.transactions.length, 2);
    bench.stop.abort();
  });

  it('leaves the rules when it ends, and hears nothing more', async () => {
    const bench = setup();
    bench.services.set(service('a', '10.96.0.1'));
    bench.slices.set(slice('a', '10.244.0.1'));
    bench.informers.markSynced();
    await bench.start();
    bench.stop.abort();
    bench.slices.delete(slice('a'));
    await settled();
    assert.deepEqual(bench.map('services'), ['10.96.0.1 . tcp . 80']);
    assert.equal(bench.clock.pending, 0);
  });

  it('tries until the first rules go through', async () => {
    const bench = setup();
    bench.nft.refuse = () => 'Operation not permitted';
    bench.informers.markSynced();
    const started = bench.start();
    await settled();
    assert.equal(bench.clock.pending, 1);
    bench.nft.refuse = () => undefined;
    bench.clock.advance(1000);
    await started;
    assert.equal(bench.nft.transactions.length, 1);
    bench.stop.abort();
  });

  it('one Service that is refused is tried again later, while others change', async () => {
    const bench = setup();
    bench.informers.markSynced();
    await bench.start();
    bench.nft.refuse = (commands) => (commands.includes('10.96.0.1') ? 'Invalid argument' : undefined);
    bench.services.set(service('a', '10.96.0.1'));
    bench.services.set(service('b', '10.96.0.2'));
    await settled();
    assert.deepEqual(bench.map('refused'), ['10.96.0.2 . tcp . 80']);
    bench.nft.refuse = () => undefined;
    bench.clock.advance(1000);
    await settled();
    assert.deepEqual(bench.map('refused').sort(), ['10.96.0.1 . tcp . 80', '10.96.0.2 . tcp . 80']);
    assert.equal(bench.clock.pending, 0);
    bench.stop.abort();
  });

  it('sets everything anew when somebody else took the table away', async () => {
    const bench = setup();
    bench.services.set(service('a', '10.96.0.1'));
    bench.informers.markSynced();
    await bench.start();
    await bench.backend.cleanup();
    assert.equal(bench.nft.tables.size, 0);
    bench.services.set(service('b', '10.96.0.2'));
    for (let retries = 0; retries < 4; retries++) {
      await settled();
      bench.clock.advance(1000);
    }
    await settled();
    assert.deepEqual(bench.map('refused').sort(), ['10.96.0.1 . tcp . 80', '10.96.0.2 . tcp . 80']);
    bench.stop.abort();
  });

  it('tells an observer how far the rules have come, how long it took, and since when endpoints were changing', async () => {
    const told: Sync[] = [];
    const queued: string[] = [];
    const observer = { queued: (kind: string) => queued.push(kind), synced: (sync: Sync) => told.push(sync) };
    const bench = setup({ observer, elapsedMs: () => 5 * told.length });
    bench.informers.markSynced();
    await bench.start();
    assert.deepEqual([told.length, told[0]!.full], [1, true]);
    bench.clock.advance(1000);
    const changedAt = new Date(bench.clock.now()).toISOString();
    const annotations = { 'endpoints.kubernetes.io/last-change-trigger-time': changedAt };
    bench.services.set(service('a', '10.96.0.1'));
    const made = slice('a', '10.244.0.1');
    bench.slices.set({ ...made, metadata: { ...made.metadata, annotations } });
    await settled();
    assert.deepEqual(queued, ['service', 'endpoint']);
    assert.equal(told.length, 2);
    assert.deepEqual([told[1]!.full, told[1]!.triggeredMs], [false, [bench.clock.now()]]);
    bench.nft.refuse = () => 'Invalid argument';
    bench.slices.set(slice('a', '10.244.0.2'));
    await settled();
    assert.deepEqual(told[2]!.report.refused, ['default/a']);
    bench.stop.abort();
  });

  it('does nothing for a Service whose status alone has changed', async () => {
    const bench = setup();
    bench.services.set(service('a', '10.96.0.1'));
    bench.informers.markSynced();
    await bench.start();
    const conditions = [{ type: 'x', status: 'True' as const, lastTransitionTime: '', reason: '', message: '' }];
    bench.services.set({ ...service('a', '10.96.0.1'), status: { conditions } });
    await settled();
    assert.equal(bench.nft.transactions.length, 1);
    bench.stop.abort();
  });
});
