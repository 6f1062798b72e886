import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FakeIptables } from '../../host/iptables-fake.ts';
import type { ServicePort } from '../../servicemap/service-port.ts';
import type { Plan } from '../mode.ts';
import { TABLES } from '../netfilter/chains.ts';
import { elsewherePort, servicePort } from '../ports.fixture.ts';
import { iptablesBackend } from './backend.ts';
import { chainName } from './chains.ts';

const ADDRESSES = { clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', nodeIps: ['10.89.0.11'] };

/** The mode over a fake kernel. */
class Bench {
  readonly iptables: FakeIptables;
  readonly #backend;

  constructor(iptables = new FakeIptables()) {
    this.iptables = iptables;
    this.#backend = iptablesBackend(iptables, ADDRESSES);
  }

  reset(services: Record<string, ServicePort[]> = {}) {
    return this.#run(this.#backend.mode.reset(new Map(Object.entries(services))));
  }

  update(services: Record<string, ServicePort[]>) {
    return this.#run(this.#backend.mode.update(new Map(Object.entries(services))));
  }

  cleanup() {
    return this.#backend.cleanup();
  }

  intact() {
    return this.#backend.intact!();
  }

  async #run(plan: Plan): Promise<Plan> {
    await this.#backend.run(plan);
    plan.commit();
    return plan;
  }

  /** Everything in the kernel, chains in alphabetical order. */
  state(): string[] {
    return TABLES.flatMap((table) =>
      [...this.iptables.table(table)].map(([chain, rules]) => `${table} ${chain}\n${rules.join('\n')}`),
    ).sort();
  }

  chains(): string[] {
    return [...this.iptables.table('nat').keys()].filter((name) => /-[A-Z2-7]{16}$/.test(name)).sort();
  }
}

describe('the iptables planner', () => {
  // Rewritten by `node --test --test-update-snapshots src/proxy/iptables/plan.test.ts`.
  it('renders the empty set, Services, changes of endpoints, and the end', async (t) => {
    const bench = new Bench();
    const udp = { protocol: 'UDP', port: 53 } as const;
    const guarded = { loadBalancerIps: ['192.0.2.1'], sourceRanges: ['10.89.0.0/30'], nodePort: 30005 };
    const steps: [string, Record<string, ServicePort[]>][] = [
      ['A Service with three endpoints comes.', { a: [servicePort('10.96.0.1', [1, 2, 3])] }],
      [
        'One of its endpoints is replaced: the chain of all Services is not sent.',
        { a: [servicePort('10.96.0.1', [1, 3, 4])] },
      ],
      ['A Service without endpoints comes.', { b: [servicePort('10.96.0.2', [], udp)] }],
      ['It gets one, and a node port.', { b: [servicePort('10.96.0.2', [5], { ...udp, nodePort: 30053 })] }],
      ['A Service with client affinity comes.', { c: [servicePort('10.96.0.3', [6, 7], { affinitySeconds: 10_800 })] }],
      [
        'A Service comes whose endpoint is elsewhere, with both policies Local.',
        { d: [elsewherePort('10.96.0.4', 30004)] },
      ],
      ['A load balancer comes that not everybody may use.', { e: [servicePort('10.96.0.5', [8], guarded)] }],
      ['All of them go.', { a: [], b: [], c: [], d: [], e: [] }],
    ];
    const texts = [`The start.\n\n${(await bench.reset()).commands}`];
    const before = bench.state();
    for (const [title, services] of steps) texts.push(`${title}\n\n${(await bench.update(services)).commands}`);
    assert.deepEqual(bench.state(), before);
    t.assert.fileSnapshot(texts.join(`\n${'-'.repeat(80)}\n`), join(import.meta.dirname, 'cases', 'transactions.txt'), {
      serializers: [(text: string) => text],
    });
  });

  it('chains have the names that Kubernetes gives them', () => {
    assert.equal(chainName('KUBE-SVC', 'default/my-nginx', 'tcp'), 'KUBE-SVC-L65ENXXZWWSAPRCR');
    assert.equal(chainName('KUBE-SEP', 'default/my-nginx', 'tcp', '172.16.0.43:80'), 'KUBE-SEP-CKTK4HVPCCPKEGFT');
  });

  it('says nothing when nothing changed', async () => {
    const bench = new Bench();
    await bench.reset({ a: [servicePort('10.96.0.1', [1])] });
    assert.equal((await bench.update({ a: [servicePort('10.96.0.1', [1])] })).commands, '');
  });

  it('adopts what an earlier process left: no jump twice, no chain left over, foreign rules untouched', async () => {
    const first = new Bench();
    await first.reset({ a: [servicePort('10.96.0.1', [1])], b: [servicePort('10.96.0.2', [2])] });
    await first.iptables.restore(
      4,
      '*nat\n:KUBE-FOREIGN - [0:0]\n-A POSTROUTING -s 10.1.0.0/16 -j KUBE-FOREIGN\nCOMMIT\n',
    );
    const second = new Bench(first.iptables);
    await second.reset({ b: [servicePort('10.96.0.2', [2])] });
    assert.equal(first.iptables.table('nat').get('PREROUTING')?.length, 1);
    assert.equal(second.chains().length, 2);
    await second.cleanup();
    assert.deepEqual(
      [...first.iptables.table('nat').keys()],
      ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING', 'KUBE-FOREIGN'],
    );
    assert.deepEqual(first.iptables.table('nat').get('POSTROUTING'), ['-s 10.1.0.0/16 -j KUBE-FOREIGN']);
    assert.deepEqual([...first.iptables.table('mangle').values()].flat(), []);
  });

  it('knows when another program took its rules away', async () => {
    const bench = new Bench();
    await bench.reset({ a: [servicePort('10.96.0.1', [1])] });
    assert.equal(await bench.intact(), true);
    bench.iptables.flush();
    assert.equal(await bench.intact(), false);
    await new Bench(bench.iptables).reset({ a: [servicePort('10.96.0.1', [1])] });
    assert.equal(await bench.intact(), true);
  });

  it('what one table took and another refused is made good by the next transaction', async () => {
    const bench = new Bench();
    await bench.reset({ a: [servicePort('10.96.0.1', [1], { nodePort: 30001 })] });
    const before = bench.state();
    // Tables come in the order mangle, filter, nat: the filter has the new rule when nat refuses.
    const bad = { b: [elsewherePort('10.96.0.2', 30002)], c: [servicePort('10.96.0.3', [])] };
    bench.iptables.refuse = (body) => (body.includes('--dport 30002 ') ? 'Invalid argument' : undefined);
    await assert.rejects(bench.update(bad), /Invalid argument/);
    bench.iptables.refuse = () => undefined;
    await bench.update({ d: [] });
    assert.deepEqual(bench.state(), before);
  });

  it('who has an address keeps it, and who waits for it gets it when it is free', async () => {
    const bench = new Bench();
    const external = (last: number) => servicePort(`10.96.0.${last}`, [last], { externalIps: ['192.0.2.1'] });
    const targets = () =>
      bench.iptables
        .table('nat')
        .get('KUBE-SERVICES')!
        .filter((rule) => rule.includes('-d 192.0.2.1'));
    await bench.reset({ a: [external(1)] });
    const { conflicts } = await bench.update({ b: [external(2)] });
    assert.deepEqual(conflicts, [{ service: 'b', owner: 'a', frontend: '192.0.2.1 . tcp . 80' }]);
    assert.match(targets().join(), /default\/10\.96\.0\.1:http/);
    await bench.update({ a: [] });
    assert.match(targets().join(), /default\/10\.96\.0\.2:http/);
  });

  it('names UDP flows that lead nowhere, and only those', async () => {
    const bench = new Bench();
    const udp = (...last: number[]) => ({ a: [servicePort('10.96.0.1', last, { protocol: 'UDP', nodePort: 30001 })] });
    await bench.reset(udp(1, 2));
    const { staleFlows } = await bench.update(udp(2, 3));
    const endpoint = { endpointIp: '10.244.0.1', endpointPort: 8080 };
    assert.deepEqual(staleFlows, [
      { frontendIp: '10.96.0.1', frontendPort: 80, ...endpoint },
      { frontendIp: '10.89.0.11', frontendPort: 30001, ...endpoint },
    ]);
    assert.deepEqual((await bench.update({ a: [servicePort('10.96.0.2', [1])] })).staleFlows.length, 4);
  });

  it('any changes lead to what a start from nothing would', async () => {
    const last = fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 4 });
    const one = fc.tuple(last, fc.boolean(), fc.boolean(), fc.boolean());
    const step = fc.dictionary(fc.constantFrom('1', '2', '3'), fc.option(one));
    const toPorts = (name: string, value: [number[], boolean, boolean, boolean] | null): ServicePort[] => {
      if (!value) return [];
      const [ends, local, sticky, node] = value;
      const port = servicePort(`10.96.0.${name}`, ends, {
        affinitySeconds: sticky ? 60 : 0,
        nodePort: node ? 30000 + Number(name) : 0,
      });
      return [
        local ? { ...port, external: port.cluster.slice(1), internal: port.cluster.slice(1), keepSource: true } : port,
      ];
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
        const bench = new Bench();
        const all: Record<string, ServicePort[]> = {};
        await bench.reset();
        for (const changes of steps) {
          const services = Object.fromEntries(
            Object.entries(changes).map(([name, value]) => [name, toPorts(name, value)]),
          );
          Object.assign(all, services);
          await bench.update(services);
        }
        const fresh = new Bench();
        await fresh.reset(all);
        const sorted = (state: string[]) => state.map((chain) => chain.split('\n').sort().join('\n'));
        assert.deepEqual(sorted(bench.state()), sorted(fresh.state()));
      }),
      { numRuns: 60 },
    );
  });
});
