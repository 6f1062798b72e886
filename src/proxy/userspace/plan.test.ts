import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServicePort } from '../../servicemap/service-port.ts';
import type { Changes, Plan, ProxyMode } from '../mode.ts';
import { elsewherePort, servicePort } from '../ports.fixture.ts';
import { UserspaceMode, type UserspacePlan } from './plan.ts';
import { PortPool, PROXY_PORTS } from './port-pool.ts';

const ADDRESSES = { clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', nodeIps: ['10.89.0.11'] };

/** Rules that are told in one line a Service port: where its lists lead. */
function setup() {
  const plan = (changes: Changes): Plan => {
    const lines = [...changes].flatMap(([service, ports]) => ports.map((port) => `${service} → ${leadsTo(port)}\n`));
    return { commands: lines.join(''), conflicts: [], staleFlows: [], commit: () => {} };
  };
  const rules: ProxyMode = { reset: plan, update: plan };
  const mode = new UserspaceMode(rules, ADDRESSES);
  const run = (services: Record<string, ServicePort[]>): UserspacePlan => {
    const planned = mode.update(new Map(Object.entries(services)));
    planned.commit();
    return planned;
  };
  return { mode, run };
}

function leadsTo({ internal, external, cluster, affinitySeconds }: ServicePort): string {
  const ports = [cluster, internal, external].map((list) => list.map(({ ip, port }) => `${ip}:${port}`).join() || '-');
  return `${ports.join(' ')} ${affinitySeconds}`;
}

describe('UserspaceMode', () => {
  it('a Service port gets one socket, and rules lead to it as long as it has an endpoint', () => {
    const { run } = setup();
    assert.equal(
      run({ a: [servicePort('10.96.0.1', [1, 2], { affinitySeconds: 60 })] }).commands,
      '# listen tcp 10.89.0.11 10000 for default/10.96.0.1:http tcp cluster: 10.244.0.1:8080 10.244.0.2:8080 affinity 60s\n' +
        'a → 10.89.0.11:10000 10.89.0.11:10000 10.89.0.11:10000 0\n',
    );
    const next = run({ a: [servicePort('10.96.0.1', [2, 3], { affinitySeconds: 60 })] });
    assert.deepEqual([next.open.length, next.retarget.length, next.close.length], [0, 1, 0]);
    const none = run({ a: [servicePort('10.96.0.1', [])] });
    assert.deepEqual([none.open.length, none.retarget.length, none.close.length], [0, 0, 1]);
    assert.match(none.commands, /a → - - - 0\n$/);
  });

  it('lists that differ have sockets of their own', () => {
    const { run } = setup();
    const [endpoint] = servicePort('10.96.0.1', [9]).cluster;
    const local = servicePort('10.96.0.1', [1, 9], { external: [endpoint!], keepSource: true });
    assert.match(run({ a: [local] }).commands, /a → 10.89.0.11:10000 10.89.0.11:10000 10.89.0.11:10001 0\n$/);
    assert.match(run({ b: [elsewherePort('10.96.0.2', 30001)] }).commands, /b → 10.89.0.11:10002 - - 0\n$/);
  });

  it('the kernel goes on by itself with SCTP', () => {
    const { run } = setup();
    assert.equal(run({ a: [servicePort('10.96.0.1', [1], { protocol: 'SCTP' })] }).open.length, 0);
  });

  it('what was not committed is planned again; what is blocked is not given out', () => {
    const { mode, run } = setup();
    const changes = new Map([['a', [servicePort('10.96.0.1', [1])]]]);
    const [first] = mode.update(changes).open;
    mode.pool.block(first!.port);
    const [second] = run(Object.fromEntries(changes)).open;
    assert.notEqual(second!.port, first!.port);
  });

  it('reset keeps sockets that go on, and ends those that do not', () => {
    const { mode, run } = setup();
    run({ a: [servicePort('10.96.0.1', [1])], b: [servicePort('10.96.0.2', [2])] });
    const plan = mode.reset(new Map([['a', [servicePort('10.96.0.1', [1])]]]));
    assert.deepEqual([plan.open.length, plan.close.length], [0, 1]);
  });
});

describe('PortPool', () => {
  it('gives out each port once, and says when there is none', () => {
    const pool = new PortPool();
    const ports = new Set<number>();
    for (let port = PROXY_PORTS.first; port <= PROXY_PORTS.last; port++) {
      const next = pool.take(new Set());
      pool.use(next);
      ports.add(next);
    }
    assert.equal(ports.size, PROXY_PORTS.last - PROXY_PORTS.first + 1);
    assert.throws(() => pool.take(new Set()), /ports of the proxy are in use/);
    pool.release(12_345);
    assert.equal(pool.take(new Set()), 12_345);
  });
});
