import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ingresses } from '../api/kinds/ingress.ts';
import { ingressClasses } from '../api/kinds/ingressclass.ts';
import { nodes } from '../api/kinds/node.ts';
import type { Ingress, Node } from '../api/types.ts';
import type { Client, PatchRequest } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { ownClasses } from './classes.ts';
import { ingress, ingressClass } from './ingress.fixture.ts';
import { reportProblems } from './report.ts';
import { fixedPublisher, nodePublisher, startStatus } from './status.ts';

function node(name: string, address: string, ready = true): Node {
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  const addresses = [
    { type: 'Hostname', address: name },
    ...address.split(',').map((one) => ({ type: 'InternalIP', address: one })),
  ];
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, status: { conditions, addresses } } as Node;
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const ownClassOf = ownClasses((name) => (name === 'sampan' ? ingressClass('sampan') : undefined));

describe('who speaks for Ingresses', () => {
  test('is the first ready node; all ready ones are addresses', () => {
    const informers = new PlainInformers();
    const cache = informers.of(nodes);
    const [first, second] = ['node-1', 'node-2'].map((name) => nodePublisher(informers, name));
    const said = () => [first!.addresses(), second!.addresses()];
    cache.set(node('node-1', '10.89.0.11'));
    assert.deepEqual(said(), [undefined, undefined]);
    cache.markSynced();
    cache.set(node('node-2', '10.89.0.12,fd00::12'));
    cache.set(node('node-3', '10.89.0.13', false));
    assert.deepEqual(said(), [['10.89.0.11', '10.89.0.12', 'fd00::12'], undefined]);
    let told = 0;
    second!.subscribe(() => told++);
    const before = told;
    cache.set(node('node-2', '10.89.0.12,fd00::12'));
    assert.equal(told, before);
    cache.set(node('node-1', '10.89.0.11', false));
    assert.equal(told, before + 1);
    assert.deepEqual(said(), [undefined, ['10.89.0.12', 'fd00::12']]);
  });
});

describe('status.loadBalancer', () => {
  function world(addresses: readonly string[]) {
    const informers = new PlainInformers();
    const patches: unknown[] = [];
    const patch = (_kind: unknown, key: object, { body, subresource }: PatchRequest) => {
      patches.push([key, subresource, body]);
      return Promise.resolve();
    };
    const shared = {
      clock: new FakeClock(),
      random: () => 0.5,
      log: silentLogger,
      signal: new AbortController().signal,
    };
    const publisher = fixedPublisher(addresses);
    const status = startStatus({ ...shared, client: { patch } as unknown as Client, informers, publisher, ownClassOf });
    return { cache: informers.of(ingresses), patches, status };
  }

  test('is written for own Ingresses once they are served, and not again', async () => {
    const { cache, patches, status } = world(['10.89.0.11', 'edge.example']);
    cache.set(ingress({ name: 'a' }));
    cache.set(ingress({ name: 'other', className: 'nginx' }));
    await turn();
    assert.deepEqual(patches, []);
    status.served();
    await turn();
    const loadBalancer = { ingress: [{ ip: '10.89.0.11' }, { hostname: 'edge.example' }] };
    assert.deepEqual(patches, [[{ name: 'a', namespace: 'default' }, 'status', { status: { loadBalancer } }]]);
    cache.set({ ...ingress({ name: 'a' }), status: { loadBalancer } } as Ingress);
    await turn();
    assert.equal(patches.length, 1);
  });
});

describe('events', () => {
  function world() {
    const informers = new PlainInformers();
    informers.of(ingressClasses).set(ingressClass('sampan'));
    const recorded: string[] = [];
    const recorder: EventRecorder = {
      record: ({ metadata }, { type, reason, message }) =>
        recorded.push(`${metadata.name} ${type} ${reason} ${message}`),
    };
    const cache = informers.of(ingresses);
    const reporter = reportProblems({ informers, recorder, publisher: fixedPublisher([]), ownClassOf });
    return { cache, recorded, reporter };
  }

  test('tell of new and changed Ingresses, but not of those that were there before', () => {
    const { cache, recorded } = world();
    cache.set(ingress({ name: 'old' }));
    cache.markSynced();
    const changed = (generation: number) => ({
      ...ingress({ name: 'a' }),
      metadata: { ...ingress({ name: 'a' }).metadata, generation },
    });
    for (const generation of [1, 1, 2]) cache.set(changed(generation));
    cache.set(ingress({ name: 'foreign', className: 'nginx' }));
    assert.deepEqual(recorded, ['a Normal Sync Scheduled for sync', 'a Normal Sync Scheduled for sync']);
  });

  test('tell of a problem once for as long as it lasts', () => {
    const { cache, recorded, reporter } = world();
    cache.set(ingress({ name: 'a' }));
    const problem = { ingress: 'default/a', reason: 'InvalidBackend', message: 'gone' } as const;
    for (const problems of [[problem], [problem], [], [problem], [{ ...problem, ingress: 'default/b' }]])
      reporter.report(problems);
    assert.deepEqual(recorded, ['a Warning InvalidBackend gone', 'a Warning InvalidBackend gone']);
  });
});
