import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeNft } from '../../host/nft-fake.ts';
import { ServiceMap } from '../../servicemap/service-map.ts';
import { type ContractCase, contract, type Flow, PORTS, world } from '../contract.ts';
import { Planner } from './plan.ts';
import { TABLE } from './render.ts';
import { type Fate, trace } from './tracer.ts';

const ADDRESSES = { ...world, nodeIps: [world.nodeIp] };
const CLIENTS = { ...world.pods, node: world.nodeIp, 'other-node': world.otherNodeIp, outside: world.outsideIp };
const CHOICES = 4;

async function program(cases: readonly ContractCase[]) {
  const nft = new FakeNft();
  const map = new ServiceMap({ name: world.nodeName });
  for (const { services, slices } of cases) {
    for (const service of services) map.setService(service);
    for (const slice of slices) map.setSlice(slice);
  }
  await nft.run(new Planner(ADDRESSES).reset(map.takeChanges()).commands);
  return nft.tables.get(TABLE)!;
}

/** What happens to a flow's first packet, whatever index is drawn. */
function fates({ from, to, port, protocol }: Flow, table: Awaited<ReturnType<typeof program>>): Fate[] {
  const affinity = new Map<string, string>();
  return Array.from({ length: CHOICES }, (_, choice) =>
    trace(
      { source: CLIENTS[from], destination: to, port, protocol: protocol.toLowerCase(), ownProcess: from === 'node' },
      { table, localIps: [world.nodeIp], choose: (count) => choice % count, affinity },
    ),
  );
}

function expected({ expect, protocol }: Flow): Fate[] {
  if (typeof expect === 'string') return [expect];
  const endpoints = expect.sticky ? expect.endpoints.slice(0, 1) : expect.endpoints;
  const masqueraded = expect.source === 'node';
  return endpoints.map((pod) => ({ to: world.pods[pod], port: PORTS[protocol], masqueraded }));
}

describe('nftables keeps the contract', () => {
  for (const { name, flows } of contract)
    it(name, async () => {
      const table = await program(contract);
      for (const flow of flows) {
        const found = new Set(fates(flow, table).map((fate) => JSON.stringify(fate)));
        const wanted = new Set(expected(flow).map((fate) => JSON.stringify(fate)));
        assert.deepEqual(found, wanted, `${flow.from} → ${flow.to}:${flow.port}/${flow.protocol}`);
      }
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
      const table = nft.tables.get(TABLE)!;
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

  for (const rule of ['ip daddr 10.96.0.0/16 accept', 'tcp dport 80 reject', 'reject with icmp type x', 'gota refuse'])
    it(`does not know "${rule}"`, () => {
      assert.throws(() => trace(packet, { ...options, table: withRule(rule) }), /unknown statement/);
    });

  it('lets pass what no rule is about', () => {
    assert.equal(trace(packet, { ...options, table: withRule('ip daddr 10.97.0.0/16 reject') }), 'onward');
  });
});
