import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeIptables } from '../host/iptables-fake.ts';
import { FakeClock } from '../testing/clock.ts';
import { checkFates, contractChanges, packetOf, testContract } from './contract.fixture.ts';
import { world } from './contract.ts';
import type { Choose, Fate, Packet } from './fate.ts';
import { iptablesBackend } from './iptables/backend.ts';
import { trace } from './iptables/tracer.ts';
import { servicePort } from './ports.fixture.ts';
import { Balancer } from './userspace/balancer.ts';
import { UserspaceMode } from './userspace/plan.ts';

const ADDRESSES = { ...world, nodeIps: [world.nodeIp] };

describe('userspace keeps the contract', async () => {
  const iptables = new FakeIptables();
  const rules = iptablesBackend(iptables, ADDRESSES);
  const mode = new UserspaceMode(rules.mode, ADDRESSES);
  const plan = mode.reset(contractChanges());
  await rules.run(plan.rules);
  const listeners = new Map(plan.open.map((listener) => [`${listener.protocol} ${listener.port}`, listener]));

  const follow = (packet: Packet, choose: Choose, stays: Map<string, Balancer>): Fate => {
    const options = { table: (name: string) => iptables.table(name), localIps: [world.nodeIp] };
    const fate = trace(packet, { ...options, choose, recent: new Map() });
    if (typeof fate === 'string') return fate;
    const key = `${packet.protocol} ${fate.port}`;
    const listener = listeners.get(key);
    if (!listener) return fate;
    assert.equal(fate.to, listener.ip);
    const balancer = stays.get(key) ?? new Balancer(listener, new FakeClock());
    if (listener.affinitySeconds > 0) stays.set(key, balancer);
    // Any endpoint may be the next in turn.
    for (let turn = choose(listener.endpoints.length); turn > 0; turn--) balancer.pick('somebody');
    const { ip: to, port } = balancer.pick(packet.source)!;
    return { to, port, masqueraded: true };
  };

  testContract((flow) => {
    // The kernel itself goes on where the proxy has no sockets.
    const relays = flow.protocol !== 'SCTP';
    const stays = new Map<string, Balancer>();
    return checkFates(flow, (choose) => follow(packetOf(flow), choose, stays), relays);
  });
});

it('modes with rules in the same language do not take each other away', async () => {
  const iptables = new FakeIptables();
  const [one, other] = [iptablesBackend(iptables, ADDRESSES), iptablesBackend(iptables, ADDRESSES)];
  await one.run(one.mode.reset(new Map([['a', [servicePort('10.96.0.1', [1])]]])));
  await one.cleanup(other);
  assert.ok(iptables.table('nat').has('KUBE-SERVICES'));
  await one.cleanup({ ...other, rules: 'nftables' });
  assert.ok(!iptables.table('nat').has('KUBE-SERVICES'));
});
