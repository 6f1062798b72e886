import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FakeNft } from '../../host/nft-fake.ts';
import type { ServicePort } from '../../servicemap/service-port.ts';
import { servicePort as port } from '../ports.fixture.ts';
import { Planner } from './nftables.ts';
import { TABLES } from './render.ts';

const ADDRESSES = { clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', nodeIps: ['10.89.0.11'] };

function elsewhere(ip: string): ServicePort {
  return port(ip, [7], { internal: [], external: [], keepSource: true, nodePort: 30004 });
}

/** A planner over a fake kernel. */
class Bench {
  readonly nft = new FakeNft();
  readonly planner = new Planner(ADDRESSES);

  async reset(services: Record<string, ServicePort[]> = {}): Promise<void> {
    const plan = this.planner.reset(new Map(Object.entries(services)));
    await this.nft.run(plan.commands);
    plan.commit();
  }

  async update(services: Record<string, ServicePort[]>) {
    const plan = this.planner.update(new Map(Object.entries(services)));
    if (plan.commands !== '') await this.nft.run(plan.commands);
    plan.commit();
    return plan;
  }

  map(name: string): ReadonlyMap<string, string> {
    return this.nft.tables.get(TABLES[4])!.maps.get(name)!;
  }

  /** Frontend → its endpoints, from what the kernel holds. */
  reachable(): Record<string, string[]> {
    const found: Record<string, string[]> = {};
    for (const [key, data] of this.map('endpoints')) {
      const frontend = key.slice(0, key.lastIndexOf(' . '));
      found[frontend] = [...(found[frontend] ?? []), data].sort();
    }
    return found;
  }
}

describe('Planner', () => {
  // Rewritten by `node --test --test-update-snapshots src/proxy/nftables/plan.test.ts`.
  it('renders the empty table, Services, changes of endpoints, and the end', async (t) => {
    const bench = new Bench();
    const udp = { protocol: 'UDP', port: 53 } as const;
    const steps: [string, Record<string, ServicePort[]>][] = [
      ['A Service with three endpoints comes.', { a: [port('10.96.0.1', [1, 2, 3])] }],
      ['One of its endpoints is replaced.', { a: [port('10.96.0.1', [1, 3, 4])] }],
      ['The first of three endpoints goes: the last takes its place.', { a: [port('10.96.0.1', [3, 4])] }],
      ['A Service without endpoints comes.', { b: [port('10.96.0.2', [], udp)] }],
      ['It gets one, and a node port.', { b: [port('10.96.0.2', [5], { ...udp, nodePort: 30053 })] }],
      ['A Service with client affinity comes.', { c: [port('10.96.0.3', [6], { affinitySeconds: 10_800 })] }],
      ['A Service comes whose endpoint is elsewhere, with both policies Local.', { d: [elsewhere('10.96.0.4')] }],
      ['All of them go.', { a: [], b: [], c: [], d: [] }],
    ];
    const texts = [`The start.\n\n${bench.planner.reset(new Map()).commands}`];
    await bench.reset();
    for (const [title, services] of steps) texts.push(`${title}\n\n${(await bench.update(services)).commands}`);
    for (const [name, map] of bench.nft.tables.get(TABLES[4])!.maps) assert.equal(map.size, 0, name);
    t.assert.fileSnapshot(texts.join(`\n${'-'.repeat(80)}\n`), join(import.meta.dirname, 'cases', 'transactions.txt'), {
      serializers: [(text: string) => text],
    });
  });

  it('says nothing when nothing changed', async () => {
    const bench = new Bench();
    await bench.reset({ a: [port('10.96.0.1', [1])] });
    assert.equal((await bench.update({ a: [port('10.96.0.1', [1])] })).commands, '');
  });

  it('moves one endpoint at most when one of many goes', async () => {
    const bench = new Bench();
    const many = Array.from({ length: 200 }, (_, index) => index + 1);
    await bench.reset({ a: [port('10.96.0.1', many)] });
    const { commands } = await bench.update({
      a: [
        port(
          '10.96.0.1',
          many.filter((number) => number !== 7),
        ),
      ],
    });
    assert.equal(commands.match(/10\.96\.0\.1 \. tcp \. 80 \. 0x/g)?.length, 3);
  });

  it('an endpoint of two Services stays known as a possible client until both are gone', async () => {
    const bench = new Bench();
    await bench.reset({ a: [port('10.96.0.1', [1])], b: [port('10.96.0.2', [1])] });
    await bench.update({ a: [] });
    assert.equal(bench.map('hairpins').size, 1);
    await bench.update({ b: [] });
    assert.equal(bench.map('hairpins').size, 0);
  });

  it('a transaction that was not committed is planned again', async () => {
    const bench = new Bench();
    await bench.reset();
    const changes = new Map([['a', [port('10.96.0.1', [1])]]]);
    const first = bench.planner.update(changes);
    assert.equal(bench.planner.update(changes).commands, first.commands);
  });

  it('who has an address keeps it; who waits for it gets it when it is free', async () => {
    const bench = new Bench();
    const external = (last: number) => port(`10.96.0.${last}`, [last], { externalIps: ['192.0.2.1'] });
    const frontend = '192.0.2.1 . tcp . 80';
    await bench.reset({ a: [external(1)] });
    const { conflicts } = await bench.update({ b: [external(2)] });
    assert.deepEqual(conflicts, [{ service: 'b', owner: 'a', frontend }]);
    assert.deepEqual(bench.reachable()[frontend], ['10.244.0.1 . 8080']);
    assert.deepEqual(bench.reachable()['10.96.0.2 . tcp . 80'], ['10.244.0.2 . 8080']);
    assert.deepEqual((await bench.update({ a: [] })).conflicts, []);
    assert.deepEqual(bench.reachable()[frontend], ['10.244.0.2 . 8080']);
  });

  it('an address goes from one Service to another in one transaction', async () => {
    const bench = new Bench();
    await bench.reset({ a: [port('10.96.0.1', [1])] });
    await bench.update({ b: [port('10.96.0.1', [2])], a: [] });
    assert.deepEqual(bench.reachable(), { '10.96.0.1 . tcp . 80': ['10.244.0.2 . 8080'] });
  });

  it('names UDP flows that lead nowhere, and only those', async () => {
    const bench = new Bench();
    const udp = (...last: number[]) => [port('10.96.0.1', last, { protocol: 'UDP' })];
    await bench.reset({ a: udp(1, 2, 3), b: [port('10.96.0.2', [1])] });
    const { staleFlows } = await bench.update({ a: udp(2, 3), b: [] });
    const flow = { frontendIp: '10.96.0.1', frontendPort: 80, endpointIp: '10.244.0.1', endpointPort: 8080 };
    assert.deepEqual(staleFlows, [flow]);
  });

  it('with affinity, an endpoint keeps its number while others come and go', async () => {
    const bench = new Bench();
    const sticky = (...last: number[]) => [port('10.96.0.1', last, { affinitySeconds: 60 })];
    const slotOf = (ip: string) => [...bench.map('endpoints')].find(([, data]) => data === `${ip} . 8080`)?.[0];
    await bench.reset({ a: sticky(1, 2, 3) });
    const before = slotOf('10.244.0.3');
    await bench.update({ a: sticky(3, 4) });
    assert.equal(slotOf('10.244.0.3'), before);
    assert.equal(bench.map('stays').size, 2);
    assert.equal(bench.map('slots').size, 2);
    assert.deepEqual([...bench.map('slots').values()].sort(), [...bench.map('stays').keys()].map(last).sort());
  });

  it('any changes lead to what a start from nothing would', async () => {
    const service = fc.record({
      last: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
      node: fc.constantFrom(0, 30_001, 30_002),
      affinity: fc.constantFrom(0, 60),
    });
    const step = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.option(service), { minKeys: 1 });
    const portsOf = (name: string, wanted: (typeof service extends fc.Arbitrary<infer T> ? T : never) | null) => {
      if (!wanted) return [];
      const offset = { a: 0, b: 10, c: 20 }[name]!;
      const more = { nodePort: wanted.node && wanted.node + offset, affinitySeconds: wanted.affinity };
      return [port(`10.96.0.${offset}`, wanted.last, more)];
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const [stepped, fresh] = [new Bench(), new Bench()];
        await stepped.reset();
        for (const services of steps)
          await stepped.update(
            Object.fromEntries(Object.entries(services).map(([key, one]) => [key, portsOf(key, one)])),
          );
        const end = Object.assign({}, ...steps) as (typeof steps)[number];
        await fresh.reset(Object.fromEntries(Object.entries(end).map(([key, one]) => [key, portsOf(key, one)])));
        assert.deepEqual(stepped.reachable(), fresh.reachable());
        for (const name of ['services', 'outside', 'refused', 'hairpins'])
          assert.deepEqual(new Map([...stepped.map(name)].sort()), new Map([...fresh.map(name)].sort()), name);
        for (const name of ['slots', 'stays']) assert.equal(stepped.map(name).size, fresh.map(name).size);
      }),
      { numRuns: 60 },
    );
  });
});

function last(key: string): string {
  return key.slice(key.lastIndexOf(' ') + 1);
}
