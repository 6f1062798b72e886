import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FakeIpset } from '../../host/ipset-fake.ts';
import { FakeIptables } from '../../host/iptables-fake.ts';
import { FakeIpvs } from '../../host/ipvs-fake.ts';
import { FakeLink } from '../../host/virtual-link-fake.ts';
import { silentLogger } from '../../lib/log.ts';
import type { ServicePort } from '../../servicemap/service-port.ts';
import { FakeClock } from '../../testing/clock.ts';
import type { Plan } from '../mode.ts';
import { elsewherePort, servicePort } from '../ports.fixture.ts';
import { ipvsBackend } from './backend.ts';

const ADDRESSES = { clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', nodeIps: ['10.89.0.11'] };
const A = { protocol: 'tcp', ip: '10.96.0.1', port: 80 } as const;

/** The mode over a fake kernel. */
class Bench {
  readonly iptables = new FakeIptables();
  readonly ipset = new FakeIpset();
  readonly ipvs = new FakeIpvs();
  readonly link = new FakeLink();
  readonly clock = new FakeClock();
  readonly sysctls: Record<string, number> = {};
  #backend = this.#open();

  #open() {
    const { iptables, ipset, ipvs, link, clock } = this;
    const setSysctls = (values: Readonly<Record<string, number>>) => void Object.assign(this.sysctls, values);
    const doors = { iptables, ipset, ipvs, link, setSysctls };
    return ipvsBackend({ ...doors, addresses: ADDRESSES, scheduler: 'wlc', clock, log: silentLogger });
  }

  /** As if the process had ended, and another begun. */
  restart(): void {
    this.#backend.close();
    this.#backend = this.#open();
  }

  reset(services: Record<string, ServicePort[]> = {}): Promise<Plan> {
    return this.#run(this.#backend.mode.reset(new Map(Object.entries(services))));
  }

  update(services: Record<string, ServicePort[]>): Promise<Plan> {
    return this.#run(this.#backend.mode.update(new Map(Object.entries(services))));
  }

  cleanup(): Promise<void> {
    return this.#backend.cleanup();
  }

  async #run(plan: Plan): Promise<Plan> {
    await this.#backend.run(plan);
    plan.commit();
    return plan;
  }

  /** `ip:port weight` of the real servers of A. */
  servers(): string[] {
    return this.ipvs.find(A)!.servers.map(({ ip, port, weight }) => `${ip}:${port} ${weight}`);
  }

  elements(): string[] {
    return [...this.ipset.sets].flatMap(([name, set]) => [...set.keys()].map((element) => `${name} ${element}`)).sort();
  }
}

describe('the ipvs mode', () => {
  // Rewritten by `node --test --test-update-snapshots src/proxy/ipvs/ipvs.test.ts`.
  it('renders the empty set, Services, changes of endpoints, and the end', async (t) => {
    const bench = new Bench();
    const udp = { protocol: 'UDP', port: 53 } as const;
    const guarded = { loadBalancerIps: ['192.0.2.1'], sourceRanges: ['0.0.0.0/0', '10.89.0.0/30'], nodePort: 30005 };
    const kept = { keepSource: true, nodePort: 30006, external: [{ ip: '10.244.0.9', port: 8080 }] };
    const steps: [string, Record<string, ServicePort[]>][] = [
      ['A Service with three endpoints comes.', { a: [servicePort('10.96.0.1', [1, 2, 3])] }],
      ['One of its endpoints is replaced.', { a: [servicePort('10.96.0.1', [1, 3, 4])] }],
      ['A Service without endpoints comes.', { b: [servicePort('10.96.0.2', [], udp)] }],
      ['It gets one, and a node port.', { b: [servicePort('10.96.0.2', [5], { ...udp, nodePort: 30053 })] }],
      ['A Service with client affinity comes.', { c: [servicePort('10.96.0.3', [6, 7], { affinitySeconds: 10_800 })] }],
      [
        'A Service comes whose endpoint is elsewhere, with both policies Local.',
        { d: [elsewherePort('10.96.0.4', 30004)] },
      ],
      ['A load balancer comes that not everybody may use.', { e: [servicePort('10.96.0.5', [8], guarded)] }],
      [
        'A Service comes that keeps the source of clients from outside.',
        { f: [servicePort('10.96.0.6', [9, 10], kept)] },
      ],
      ['All of them go.', { a: [], b: [], c: [], d: [], e: [], f: [] }],
    ];
    const texts = [`The start.\n\n${(await bench.reset()).commands}`];
    for (const [title, services] of steps) texts.push(`${title}\n\n${(await bench.update(services)).commands}`);
    assert.deepEqual(bench.elements(), []);
    assert.deepEqual(bench.ipvs.list(), []);
    assert.deepEqual([...bench.link.addresses], []);
    t.assert.fileSnapshot(texts.join(`\n${'-'.repeat(80)}\n`), join(import.meta.dirname, 'cases', 'transactions.txt'), {
      serializers: [(text: string) => text],
    });
  });

  it('an address and a loop of two Services stay until both are gone', async () => {
    const bench = new Bench();
    const external = (last: number, port: number) =>
      servicePort(`10.96.0.${last}`, [1], { externalIps: ['192.0.2.1'], port });
    await bench.reset({ a: [external(1, 80)], b: [external(2, 81)] });
    await bench.update({ a: [] });
    assert.ok(bench.link.addresses.has('192.0.2.1'));
    assert.ok(bench.elements().includes('KUBE-IPVS-LOOP 10.244.0.1,tcp:8080,10.244.0.1'));
    await bench.update({ b: [] });
    assert.deepEqual([...bench.link.addresses], []);
    assert.deepEqual(bench.elements(), []);
  });

  it('takes over what an earlier process left, and removes what nobody wants any more', async () => {
    const bench = new Bench();
    await bench.reset({ a: [servicePort('10.96.0.1', [1, 2])], b: [servicePort('10.96.0.2', [3])] });
    bench.ipvs.setConnections(A, '10.244.0.1:8080', 5);
    bench.restart();
    await bench.reset({ a: [servicePort('10.96.0.1', [2])] });
    assert.deepEqual(bench.servers(), ['10.244.0.1:8080 0', '10.244.0.2:8080 1']);
    assert.equal(bench.ipvs.list().length, 1);
    assert.deepEqual([...bench.link.addresses], ['10.96.0.1']);
    assert.equal(bench.iptables.table('nat').get('PREROUTING')!.length, 1);
    assert.ok(![...bench.ipset.sets.keys()].some((name) => name.endsWith('-N')));
    assert.equal(bench.sysctls['net/ipv4/vs/conntrack'], 1);
  });

  it('an endpoint that is gone gets no new connections, and goes when the last one has ended', async () => {
    const bench = new Bench();
    await bench.reset({ a: [servicePort('10.96.0.1', [1, 2])] });
    bench.ipvs.setConnections(A, '10.244.0.1:8080', 5);
    await bench.update({ a: [servicePort('10.96.0.1', [2])] });
    bench.clock.advance(60_000);
    assert.deepEqual(bench.servers(), ['10.244.0.1:8080 0', '10.244.0.2:8080 1']);
    bench.ipvs.setConnections(A, '10.244.0.1:8080', 0);
    bench.clock.advance(10_000);
    assert.deepEqual(bench.servers(), ['10.244.0.2:8080 1']);
    assert.equal(bench.clock.pending, 0);
  });

  it('an endpoint that comes back stays; one whose connections never end goes after a quarter of an hour', async () => {
    const bench = new Bench();
    await bench.reset({ a: [servicePort('10.96.0.1', [1, 2])] });
    for (const last of [1, 2]) bench.ipvs.setConnections(A, `10.244.0.${last}:8080`, 5);
    await bench.update({ a: [] });
    await bench.update({ a: [servicePort('10.96.0.1', [1, 2, 3])] });
    await bench.update({ a: [servicePort('10.96.0.1', [3])] });
    await bench.update({ a: [servicePort('10.96.0.1', [1, 3])] });
    bench.ipvs.setConnections(A, '10.244.0.2:8080', 5);
    bench.clock.advance(14 * 60_000);
    assert.deepEqual(bench.servers().sort(), ['10.244.0.1:8080 1', '10.244.0.2:8080 0', '10.244.0.3:8080 1']);
    bench.clock.advance(2 * 60_000);
    assert.deepEqual(bench.servers().sort(), ['10.244.0.1:8080 1', '10.244.0.3:8080 1']);
  });

  it('a server that the kernel refuses names its virtual server, and the next try sets all again', async () => {
    const bench = new Bench();
    await bench.reset();
    bench.ipvs.unreachable.add('10.244.0.2');
    await assert.rejects(bench.update({ a: [servicePort('10.96.0.1', [1, 2])] }), /set server -t 10\.96\.0\.1:80/);
    bench.ipvs.unreachable.clear();
    await bench.update({ a: [servicePort('10.96.0.1', [1, 2])] });
    assert.deepEqual(bench.servers(), ['10.244.0.1:8080 1', '10.244.0.2:8080 1']);
    assert.ok(bench.elements().includes('KUBE-IPVS-SERVED 10.96.0.1,tcp:80'));
  });

  it('cleanup leaves nothing of it, and all of others', async () => {
    const bench = new Bench();
    await bench.ipset.restore('create others hash:ip\n');
    await bench.reset({ a: [servicePort('10.96.0.1', [1, 2])] });
    await bench.cleanup();
    assert.deepEqual([...bench.ipset.sets.keys()], ['others']);
    assert.deepEqual(bench.ipvs.list(), []);
    assert.ok(!bench.link.made);
    assert.doesNotMatch(await bench.iptables.save(4), /KUBE/);
  });
});
