import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeNft } from '../../host/nft-fake.ts';
import { ServiceMap } from '../../servicemap/service-map.ts';
import { checkFates, contractChanges, packetOf, testContract } from '../contract.fixture.ts';
import { toIpv4, toIpv6 } from '../contract.ipv6.fixture.ts';
import { contract, PORTS, world } from '../contract.ts';
import { Planner } from './nftables.ts';
import { TABLES } from './render.ts';
import { trace } from './tracer.ts';

const ADDRESSES = { ...world, nodeIps: [world.nodeIp] };
const CHOICES = 4;

describe('nftables keeps the contract', async () => {
  const nft = new FakeNft();
  await nft.run(new Planner(ADDRESSES).reset(contractChanges()).commands);
  testContract((flow) => {
    const options = {
      table: nft.tables.get(TABLES[4])!,
      localIps: [world.nodeIp],
      affinity: new Map<string, string>(),
    };
    return checkFates(flow, (choose) => trace(packetOf(flow), { ...options, choose }));
  });
});

describe('nftables keeps the contract in IPv6', async () => {
  const nft = new FakeNft();
  const planner = new Planner({ ...ADDRESSES, ipv6: toIpv6(ADDRESSES) });
  await nft.run(planner.reset(new Map(toIpv6([...contractChanges()]))).commands);
  testContract((flow) => {
    const table = nft.tables.get(TABLES[6])!;
    const options = { table, localIps: [toIpv6(world.nodeIp)], affinity: new Map<string, string>() };
    return checkFates(flow, (choose) => toIpv4(trace(toIpv6(packetOf(flow)), { ...options, choose })));
  });
  it('and does nothing for it in the table of IPv4', () => {
    assert.equal(nft.tables.get(TABLES[4])!.maps.get('services')!.size, 0);
  });
});

it('session affinity: a client moves on when its endpoint is gone, and then stays there', async () => {
  const nft = new FakeNft();
  const planner = new Planner(ADDRESSES);
  const map = new ServiceMap({ name: world.nodeName });
  const sticky = contract.find(({ services: [first] }) => first?.metadata.name === 'sticky')!;
  const [slice] = sticky.slices;
  const affinity = new Map<string, string>();
  map.setService(sticky.services[0]!);
  await nft.run(planner.reset(new Map()).commands);
  for (const [pods, expected] of [
    [['pod-b'], 'pod-b'],
    [['pod-c'], 'pod-c'],
    [['pod-b', 'pod-c'], 'pod-c'],
  ] as const) {
    const wanted = new Set<string>(pods.map((pod) => world.pods[pod]));
    map.setSlice(
      { ...slice!, endpoints: slice!.endpoints!.filter(({ addresses }) => wanted.has(addresses[0]!)) },
      slice,
    );
    const plan = planner.update(map.takeChanges());
    await nft.run(plan.commands);
    plan.commit();
    for (let choice = 0; choice < CHOICES; choice++) {
      const packet = { source: '10.244.1.2', destination: '10.96.1.17', port: 80, protocol: 'tcp', ownProcess: false };
      const table = nft.tables.get(TABLES[4])!;
      const fate = trace(packet, { table, localIps: [], choose: (count) => choice % count, affinity });
      assert.deepEqual(fate, { to: world.pods[expected], port: PORTS.TCP, masqueraded: false });
    }
  }
});

describe('trace', () => {
  const packet = { source: '10.244.1.2', destination: '10.96.0.1', port: 1, protocol: 'tcp', ownProcess: false };
  const options = { localIps: [], choose: () => 0, affinity: new Map() };
  const withRule = (rule: string) => ({
    maps: new Map(),
    chains: new Map([['x', { hook: 'type nat hook prerouting priority dstnat; policy accept;', rules: [rule] }]]),
  });

  for (const rule of ['ip daddr 10.96.0.0/16 jump x', 'tcp dport 80 reject', 'reject with icmp type x', 'gota refuse'])
    it(`does not know "${rule}"`, () => {
      assert.throws(() => trace(packet, { ...options, table: withRule(rule) }), /unknown statement/);
    });

  it('lets pass what no rule is about', () => {
    assert.equal(trace(packet, { ...options, table: withRule('ip daddr 10.97.0.0/16 reject') }), 'onward');
  });
});
