import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeIptables } from '../../host/iptables-fake.ts';
import { checkFates, contractChanges, packetOf, testContract } from '../contract.fixture.ts';
import { world } from '../contract.ts';
import { trace } from '../netfilter/tracer.ts';
import { iptablesBackend } from './backend.ts';

const ADDRESSES = { ...world, nodeIps: [world.nodeIp] };

describe('iptables keeps the contract', async () => {
  const iptables = new FakeIptables();
  const backend = iptablesBackend(iptables, ADDRESSES);
  await backend.run(backend.mode.reset(contractChanges()));
  testContract((flow) => {
    const table = (name: string) => iptables.table(name);
    const options = { table, localIps: [world.nodeIp], recent: new Map<string, Set<string>>() };
    return checkFates(flow, (choose) => trace(packetOf(flow), { ...options, choose }));
  });
});

describe('trace', () => {
  const packet = { source: '10.244.1.2', destination: '10.96.0.1', port: 1, protocol: 'tcp', ownProcess: false };
  const tables = (rule: string) => (name: string) =>
    new Map(
      ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'].map((chain) => [
        chain,
        name === 'nat' && chain === 'PREROUTING' ? [rule] : [],
      ]),
    );
  const run = (rule: string) =>
    trace(packet, { table: tables(rule), localIps: [], choose: () => 0, recent: new Map() });

  for (const rule of [
    '-i eth0 -j DROP',
    '-m limit -j DROP',
    '-j SNAT --to-source 1.2.3.4',
    '-m recent --name x --update --seconds 1 --reap -j DROP',
    '-m statistic --mode nth --every 2 -j DROP',
    '-j NOWHERE',
  ])
    it(`does not know "${rule}"`, () => {
      assert.throws(() => run(rule), /unknown|no chain/);
    });

  it('lets pass what no rule is about, and what a negated one is about', () => {
    assert.equal(run('-d 10.97.0.0/16 -j DROP'), 'onward');
    assert.equal(run('! -d 10.96.0.1 -j DROP'), 'onward');
    assert.equal(run('! -d 10.97.0.0/16 -j DROP'), 'drop');
  });
});
