import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice, Node, Service } from '../api/types.ts';
import type { LinkAddresses } from '../host/link-addresses.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock, turn } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { SILENCE_MS } from './heartbeat.ts';
import { parsePool } from './pool.ts';
import { startSpeaker } from './speaker.ts';

const IPS = Array.from({ length: 12 }, (_, index) => `10.89.0.${200 + index}`);

function node(name: string, options: { ready?: boolean; labels?: Record<string, string> } = {}): Node {
  const { ready = true, labels = {} } = options;
  const address = `10.89.0.1${name.slice(-1)}`;
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  const status = { addresses: [{ type: 'InternalIP', address }], conditions };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, status } as Node;
}

function service(ip: string, policy = 'Cluster'): Service {
  const metadata = { name: `s${ip.replaceAll('.', '-')}`, namespace: 'default' };
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: policy };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec,
    status: { loadBalancer: { ingress: [{ ip }] } },
  } as Service;
}

function sliceOf({ metadata }: Service, nodeName: string): EndpointSlice {
  const labels = { 'kubernetes.io/service-name': metadata.name };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: metadata.name, namespace: 'default', labels },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.244.0.2'], nodeName, conditions: { ready: true } }],
  } as EndpointSlice;
}

/** The speakers of three nodes over one API and one LAN, with what each has on its link. */
function startSpeakers(t: { after: (end: () => void) => void }, left: readonly string[] = []) {
  const clock = new FakeClock();
  const informers = new PlainInformers();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const pool = parsePool('10.89.0.200-10.89.0.250');
  const names = ['node-1', 'node-2', 'node-3'];
  const links = new Map(names.map((name) => [name, new Set(name === 'node-1' ? ['10.89.0.11', ...left] : [])]));
  const announced: string[] = [];
  const speakers = new Map(
    names.map((nodeName) => {
      const own = links.get(nodeName)!;
      const link: LinkAddresses = {
        list: () => [...own],
        set: (ip) => void own.add(ip),
        remove: (ip) => void own.delete(ip),
        announce: (ip) => void announced.push(`${nodeName} ${ip}`),
        close: () => {},
      };
      const speaker = startSpeaker({ informers, nodeName, pool, link, clock, log: silentLogger, signal: stop.signal });
      return [nodeName, speaker];
    }),
  );
  const beat = (silent: readonly string[] = []) => {
    for (const [index, name] of names.entries()) {
      if (silent.includes(name)) continue;
      for (const speaker of speakers.values()) speaker.heard({ node: name, from: `10.89.0.1${index + 1}` });
    }
  };
  const pass = async (ms: number, silent: readonly string[] = []) => {
    for (let done = 0; done < ms; done += 250) {
      beat(silent);
      clock.advance(250);
      await turn();
    }
  };
  const owners = (ip: string) => names.filter((name) => links.get(name)!.has(ip));
  const markSynced = () => {
    for (const kind of [services, endpointSlices, nodes]) informers.of(kind as typeof services).markSynced();
  };
  return { informers, links, announced, speakers, pass, owners, markSynced, names };
}

test('every address is announced by one node, and all nodes take part', async (t) => {
  const { informers, pass, owners, markSynced, names, announced } = startSpeakers(t);
  for (const name of names) informers.of(nodes).set(node(name));
  for (const ip of IPS) informers.of(services).set(service(ip));
  markSynced();
  await pass(2000);
  for (const ip of IPS) assert.equal(owners(ip).length, 1, ip);
  assert.deepEqual([...new Set(IPS.flatMap(owners))].sort(), names);
  for (const ip of IPS) assert.ok(announced.includes(`${owners(ip)[0]} ${ip}`));
});

test("a silent node's addresses move, the others stay, and they come back with it", async (t) => {
  const { informers, pass, owners, markSynced, names } = startSpeakers(t);
  for (const name of names) informers.of(nodes).set(node(name));
  for (const ip of IPS) informers.of(services).set(service(ip));
  markSynced();
  await pass(2000);
  const before = new Map(IPS.map((ip) => [ip, owners(ip)[0]!]));
  await pass(SILENCE_MS + 250, ['node-2']);
  for (const ip of IPS) {
    const now = owners(ip).filter((name) => name !== 'node-2');
    assert.equal(now.length, 1, ip);
    if (before.get(ip) !== 'node-2') assert.deepEqual(now, [before.get(ip)]);
  }
  await pass(1000);
  for (const ip of IPS) assert.deepEqual(owners(ip), [before.get(ip)]);
});

test('a heartbeat counts only from the address of its node', async (t) => {
  const { informers, pass, owners, markSynced, names, speakers } = startSpeakers(t);
  for (const name of names) informers.of(nodes).set(node(name));
  for (const ip of IPS) informers.of(services).set(service(ip));
  markSynced();
  await pass(2000);
  const moved = IPS.find((ip) => owners(ip)[0] === 'node-2')!;
  for (let round = 0; round < 6; round++) {
    for (const speaker of speakers.values()) speaker.heard({ node: 'node-2', from: '10.89.0.13' });
    await pass(250, ['node-2']);
  }
  assert.ok(owners(moved).some((name) => name !== 'node-2'));
});

test('externalTrafficPolicy Local: a node without an endpoint does not announce', async (t) => {
  const { informers, pass, owners, markSynced, names } = startSpeakers(t);
  for (const name of names) informers.of(nodes).set(node(name));
  const local = IPS.map((ip) => service(ip, 'Local'));
  for (const one of local) informers.of(services).set(one);
  markSynced();
  await pass(2000);
  for (const ip of IPS) assert.deepEqual(owners(ip), []);
  for (const one of local) informers.of(endpointSlices).set(sliceOf(one, 'node-3'));
  await pass(250);
  for (const ip of IPS) assert.deepEqual(owners(ip), ['node-3']);
});

test('nodes that are not ready, or are labelled so, announce nothing', async (t) => {
  const { informers, pass, owners, markSynced } = startSpeakers(t);
  informers.of(nodes).set(node('node-1', { ready: false }));
  const labels = { 'node.kubernetes.io/exclude-from-external-load-balancers': '' };
  informers.of(nodes).set(node('node-2', { labels }));
  informers.of(nodes).set(node('node-3'));
  for (const ip of IPS) informers.of(services).set(service(ip));
  markSynced();
  await pass(2000);
  for (const ip of IPS) assert.deepEqual(owners(ip), ['node-3']);
});

test('an address that an earlier process left is withdrawn, the own one of the node stays', async (t) => {
  const { informers, links, pass, markSynced, names } = startSpeakers(t, ['10.89.0.240']);
  for (const name of names) informers.of(nodes).set(node(name));
  markSynced();
  await pass(500);
  assert.deepEqual([...links.get('node-1')!], ['10.89.0.11']);
});
