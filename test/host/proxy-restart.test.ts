import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { listNetns, netnsPath } from '../../src/host/netns.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { Applier } from '../../src/proxy/apply.ts';
import { world } from '../../src/proxy/contract.ts';
import { Planner } from '../../src/proxy/nftables/nftables.ts';
import { portTo } from '../../src/proxy/ports.fixture.ts';
import type { ServicePort } from '../../src/servicemap/service-port.ts';
import type { PeerAnswer } from './netns-peer.ts';
import { ProxyLan } from './proxy-lan.ts';

const PREFIX = `sprtest-${process.pid}`;
const ANSWER_MS = 5000;
const ECHO_PORT = 7007;
const ADDRESSES = { ...world, nodeIps: [world.nodeIp] };

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    execFileSync('nft', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'needs nft (package nftables)';
  }
}

function port(ip: string, more: Partial<ServicePort> = {}): ServicePort {
  const endpoints = [world.pods['pod-b'], world.pods['pod-c']].map((pod) => ({ ip: pod, port: 8080 }));
  return portTo(ip, endpoints, { key: `default/${ip}:main`, ...more });
}

const to = (pod: 'pod-b' | 'pod-c', number: number) => {
  const list = [{ ip: world.pods[pod], port: number }];
  return { internal: list, external: list, cluster: list };
};

describe('a proxy that is started anew', { skip: whyNot() ?? false, timeout: 120_000 }, () => {
  const lan = new ProxyLan(PREFIX);
  const services = new Map([
    ['default/plain', [port('10.96.2.1')]],
    ['default/sticky', [port('10.96.2.2', { affinitySeconds: 100 })]],
    ['default/echo', [port('10.96.2.3', to('pod-b', ECHO_PORT))]],
    ['default/udp', [port('10.96.2.4', { protocol: 'UDP', ...to('pod-b', 5353) })]],
  ]);

  /** As the first thing that a new process does: it knows nothing of what the kernel holds. */
  const start = async (all: ReadonlyMap<string, readonly ServicePort[]> = services) => {
    const refused: string[] = [];
    const log = { ...silentLogger, error: (_: string, fields?: object) => refused.push(JSON.stringify(fields)) };
    const applier = new Applier({
      mode: new Planner(ADDRESSES),
      run: async ({ commands }) => void (await lan.peer('node').request({ do: 'nft', commands })),
      forget: async () => {},
      log,
    });
    await applier.replace(all);
    return { applier, refused };
  };
  const ask = (ip: string, protocol: 'TCP' | 'UDP' = 'TCP', fromPort?: number): Promise<PeerAnswer> =>
    lan
      .peer('pod-a')
      .request({ do: 'ask', protocol, ip, port: 80, timeoutMs: ANSWER_MS, ...(fromPort && { fromPort }) });
  const table = async (name: string) =>
    (await run(['nsenter', `--net=${netnsPath(lan.netns('node'))}`, '--', 'nft', 'list', 'table', ...name.split(' ')]))
      .stdout;

  before(async () => {
    await lan.start();
    await lan.peer('pod-b').request({ do: 'echo', ip: world.pods['pod-b'], port: ECHO_PORT });
  });
  after(async () => {
    await lan.stop();
    assert.deepEqual(listNetns(PREFIX), []);
  });

  it('a client stays with its endpoint', async () => {
    await start();
    const first = await ask('10.96.2.2');
    assert.ok('text' in first);
    for (let restart = 0; restart < 5; restart++) {
      await start();
      for (let again = 0; again < 4; again++) assert.deepEqual(await ask('10.96.2.2'), first);
    }
  });

  it('connections stay open, also when everything is made from scratch', async () => {
    await start();
    await lan.peer('pod-a').request({ do: 'dial', ip: '10.96.2.3', port: 80 });
    const say = (text: string) => lan.peer('pod-a').request({ do: 'say', text, timeoutMs: ANSWER_MS });
    assert.deepEqual(await say('before'), { text: 'before' });
    await start();
    assert.deepEqual(await say('after'), { text: 'after' });
    const { commands } = new Planner(ADDRESSES).reset(services, 'scratch');
    await lan.peer('node').request({ do: 'nft', commands });
    assert.deepEqual(await say('scratch'), { text: 'scratch' });
  });

  it('no connection fails while rules are replaced again and again', async () => {
    await start();
    const busy = { on: true };
    const restarts = (async () => {
      for (let restart = 0; restart < 40; restart++) await start();
      busy.on = false;
    })();
    let asked = 0;
    for (; busy.on; asked++) assert.ok('text' in (await ask('10.96.2.1')));
    await restarts;
    assert.ok(asked > 0);
  });

  it('a table of an earlier version, with other maps, is replaced', async () => {
    const commands =
      'delete table ip sampan\nadd table ip sampan\nadd map ip sampan services { type mark : verdict; }\n';
    await lan.peer('node').request({ do: 'nft', commands });
    const { refused } = await start();
    assert.deepEqual(refused, []);
    assert.ok('text' in (await ask('10.96.2.1')));
  });

  it("others' tables are not touched", async () => {
    const foreign =
      'table ip foreign {\n\tchain mine {\n\t\ttype filter hook forward priority filter; policy accept;\n';
    await lan.peer('node').request({ do: 'nft', commands: `${foreign}\t\tip daddr 192.0.2.77 counter drop\n\t}\n}\n` });
    const before = await table('ip foreign');
    await start();
    await lan.peer('node').request({ do: 'nft', commands: new Planner(ADDRESSES).reset(services, 'scratch').commands });
    await lan.peer('node').request({ do: 'nft', commands: new Planner(ADDRESSES).cleanup() });
    assert.equal(await table('ip foreign'), before);
    await lan.peer('node').request({ do: 'nft', commands: 'delete table ip foreign' });
  });

  it('rules that the kernel refuses are told by the name of their Service, and keep nobody out', async () => {
    const bad = port('10.96.2.9', { internal: [{ ip: 'nowhere', port: 80 }] });
    const { applier, refused } = await start(new Map([...services, ['default/bad', [bad]]]));
    assert.deepEqual([...applier.refused], ['default/bad']);
    assert.match(refused.at(-1)!, /"service":"default\/bad"/);
    assert.ok('text' in (await ask('10.96.2.1')));
    await applier.update(new Map([['default/bad', [port('10.96.2.9')]]]));
    assert.equal(applier.refused.size, 0);
    assert.ok('text' in (await ask('10.96.2.9')));
  });

  it('a UDP client moves on from an endpoint that went while no proxy ran', async () => {
    await start();
    const answer = () => ask('10.96.2.4', 'UDP', 40_001);
    assert.deepEqual(await answer(), { text: `${world.pods['pod-b']} ${world.pods['pod-a']}` });
    const moved = [port('10.96.2.4', { protocol: 'UDP', ...to('pod-c', 5353) })];
    await start(new Map([...services, ['default/udp', moved]]));
    assert.deepEqual(await answer(), { text: `${world.pods['pod-b']} ${world.pods['pod-a']}` });
    const { serviceCidr } = world;
    const forgotten = await lan.peer('node').request({ do: 'forgetStale', services: moved, serviceCidr });
    assert.deepEqual(forgotten, { text: '1' });
    assert.deepEqual(await answer(), { text: `${world.pods['pod-c']} ${world.pods['pod-a']}` });
  });
});
