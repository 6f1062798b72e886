import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeIpset } from '../host/ipset-fake.ts';
import { FakeIptables } from '../host/iptables-fake.ts';
import type { RealServer } from '../host/ipvs.ts';
import { FakeIpvs } from '../host/ipvs-fake.ts';
import { FakeLink } from '../host/virtual-link-fake.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock } from '../testing/clock.ts';
import { openBackend } from './backends.ts';
import { checkFates, contractChanges, packetOf, testContract } from './contract.fixture.ts';
import { world } from './contract.ts';
import type { Choose, Fate, Packet } from './fate.ts';
import { iptablesBackend } from './iptables/backend.ts';
import { ipvsBackend } from './ipvs/backend.ts';
import { trace } from './netfilter/tracer.ts';
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

describe('ipvs keeps the contract', async () => {
  const [iptables, ipset, ipvs, link] = [new FakeIptables(), new FakeIpset(), new FakeIpvs(), new FakeLink()];
  const doors = { iptables, ipset, ipvs, link, setSysctls: () => {} };
  const shared = { addresses: ADDRESSES, clock: new FakeClock(), log: silentLogger };
  const backend = ipvsBackend({ ...doors, ...shared, scheduler: 'rr' });
  await backend.run(backend.mode.reset(contractChanges()));

  /** A mark is looked up first, as the kernel does. */
  const find = ({ protocol, destination: ip, port }: Packet, mark: number) =>
    ipvs.find({ fwmark: mark }) ?? ipvs.find({ protocol: protocol as 'tcp', ip, port });

  testContract((flow) => {
    const stays = new Map<string, RealServer>();
    return checkFates(flow, (choose) =>
      trace(packetOf(flow), {
        table: (name) => iptables.table(name),
        sets: (name) => ipset.sets.get(name),
        localIps: [world.nodeIp, ...link.addresses],
        recent: new Map(),
        choose,
        virtual(packet, mark) {
          const found = find(packet, mark);
          const server = stays.get(packet.source) ?? found?.servers[choose(found.servers.length)];
          if (found && server && found.persistenceSeconds > 0) stays.set(packet.source, server);
          return server;
        },
      }),
    );
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

it('ipvs: Service ports of IPv6 belong to another mode', async () => {
  const [iptables, ipset, ipvs, link] = [new FakeIptables(), new FakeIpset(), new FakeIpvs(), new FakeLink()];
  const ipv6 = { clusterCidr: 'fd00:244::/56', serviceCidr: 'fd00:96::/112', nodeIps: ['fd00:89::11'] };
  const rules = iptablesBackend(iptables, { ...ADDRESSES, ipv6 }, [6]);
  const doors = { iptables, ipset, ipvs, link, setSysctls: () => {}, clock: new FakeClock(), log: silentLogger };
  const backend = ipvsBackend({ ...doors, addresses: ADDRESSES, scheduler: 'rr', ipv6: rules });
  const to = [{ ip: 'fd00:244::2', port: 8080 }];
  const more = { family: 6, clusterIps: ['fd00:96::1'], internal: to, external: to, cluster: to } as const;
  const ports = [servicePort('10.96.0.1', [1]), servicePort('fd00:96::1', [], more)];
  await backend.run(backend.mode.reset(new Map([['a', ports]])));
  assert.equal(ipvs.list().length, 1);
  assert.match(await iptables.save(6), /-d fd00:96::1 -p tcp -m tcp --dport 80 -j KUBE-SVC-/);
  assert.doesNotMatch(await iptables.save(4), /KUBE-SVC-/);
  await backend.cleanup();
  assert.doesNotMatch(await iptables.save(6), /KUBE/);
});

it('openBackend: a kernel without IPVS gets the iptables mode, and the log says so', () => {
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const backend = openBackend({ mode: 'ipvs' }, { addresses: ADDRESSES, clock: new FakeClock(), log });
  const hasIpvs = backend.name === 'ipvs';
  assert.equal(backend.name, hasIpvs ? 'ipvs' : 'iptables');
  assert.deepEqual(
    warnings.map((text) => text.includes('falls back to the iptables mode')),
    hasIpvs ? [] : [true],
  );
  backend.close();
});
