import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import { services } from '../api/kinds/service.ts';
import { FakeIptables } from '../host/iptables-fake.ts';
import { FakeNft } from '../host/nft-fake.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock, turn } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { contract } from './contract.ts';
import { iptablesBackend } from './iptables/backend.ts';
import { nftablesBackend } from './nftables/backend.ts';
import { startProxy } from './start.ts';

const ADDRESSES = { clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', nodeIps: ['10.89.0.11'] };

async function setup() {
  const informers = new PlainInformers();
  const [one] = contract;
  for (const service of one!.services) informers.of(services).set(service);
  for (const slice of one!.slices) informers.of(endpointSlices).set(slice);
  informers.of(nodes);
  informers.markSynced();
  const [nft, iptables] = [new FakeNft(), new FakeIptables()];
  const stop = new AbortController();
  const shared = { informers, clock: new FakeClock(), random: () => 1, log: silentLogger, signal: stop.signal };
  const proxy = await startProxy({ ...shared, backend: nftablesBackend(nft, ADDRESSES), nodeName: 'node-1' });
  return {
    proxy,
    nft,
    iptables,
    stop,
    informers,
    nftables: () => nftablesBackend(nft, ADDRESSES),
    iptablesMode: () => iptablesBackend(iptables, ADDRESSES),
    inNft: () => nft.tables.size > 0,
    inIptables: () => iptables.table('nat').has('KUBE-SERVICES'),
  };
}

describe('switchTo', () => {
  it('has the new rules complete before it takes the old ones away', async () => {
    const bench = await setup();
    const restore = bench.iptables.restore.bind(bench.iptables);
    bench.iptables.restore = async (family, text) => {
      assert.ok(bench.inNft(), 'the old rules are still there');
      await restore(family, text);
    };
    await bench.proxy.switchTo(bench.iptablesMode());
    assert.deepEqual([bench.inNft(), bench.inIptables()], [false, true]);
    assert.equal(bench.proxy.backend().name, 'iptables');
    bench.iptables.restore = restore;
    await bench.proxy.switchTo(bench.nftables());
    assert.deepEqual([bench.inNft(), bench.inIptables()], [true, false]);
    bench.stop.abort();
  });

  it('what changes later goes to the new mode', async () => {
    const bench = await setup();
    await bench.proxy.switchTo(bench.iptablesMode());
    const { length } = bench.nft.transactions;
    bench.informers.of(endpointSlices).delete(contract[0]!.slices[0]!);
    for (let turns = 0; turns < 10; turns++) await turn();
    assert.equal(bench.nft.transactions.length, length);
    assert.match(bench.iptables.transactions.at(-1)!, /has no endpoints/);
    bench.stop.abort();
  });

  it('a mode that can not be set leaves the old one in force', async () => {
    const bench = await setup();
    bench.iptables.refuse = () => 'Operation not permitted';
    await assert.rejects(bench.proxy.switchTo(bench.iptablesMode()), /Operation not permitted/);
    assert.deepEqual([bench.inNft(), bench.inIptables()], [true, false]);
    assert.equal(bench.proxy.backend().name, 'nftables');
    bench.stop.abort();
  });

  it('the last request counts', async () => {
    const bench = await setup();
    const first = bench.proxy.switchTo(bench.iptablesMode());
    const second = bench.proxy.switchTo(bench.nftables());
    await assert.rejects(first, /another was asked for/);
    await second;
    assert.deepEqual([bench.inNft(), bench.inIptables()], [true, false]);
    bench.stop.abort();
  });
});
