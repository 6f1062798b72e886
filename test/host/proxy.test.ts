import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { listNetns } from '../../src/host/netns.ts';
import { testContract } from '../../src/proxy/contract.fixture.ts';
import { contract, type Flow, PORTS, world } from '../../src/proxy/contract.ts';
import type { Plan } from '../../src/proxy/mode.ts';
import { Planner } from '../../src/proxy/nftables/nftables.ts';
import { ServiceMap } from '../../src/servicemap/service-map.ts';
import type { PeerAnswer } from './netns-peer.ts';
import { ProxyLan } from './proxy-lan.ts';

const PREFIX = `sptest-${process.pid}`;
const TRIES_MAX = 60;
const DROP_MS = 300;
/** Longer than any of these connections takes: only a lost packet comes to it. */
const ANSWER_MS = 5000;
const SKIPS = { SCTP: 'Node has no SCTP sockets: its rules are followed by the tracer alone' };

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    execFileSync('nft', ['--version'], { stdio: 'ignore' });
    execFileSync('ip', ['-V'], { stdio: 'ignore' });
  } catch {
    return 'needs nft (package nftables) and ip (package iproute2)';
  }
}

describe('proxy with real packets', { skip: whyNot() ?? false, timeout: 120_000 }, () => {
  const lan = new ProxyLan(PREFIX);
  const map = new ServiceMap({ name: world.nodeName });
  const planner = new Planner({ ...world, nodeIps: [world.nodeIp] });

  const apply = async (plan: Plan) => {
    if (plan.commands !== '') await lan.peer('node').request({ do: 'nft', commands: plan.commands });
    plan.commit();
  };

  before(async () => {
    await lan.start();
    for (const { services, slices } of contract) {
      for (const service of services) map.setService(service);
      for (const slice of slices) map.setSlice(slice);
    }
    await apply(planner.reset(map.takeChanges()));
  });

  after(async () => {
    await lan.stop();
    assert.deepEqual(listNetns(PREFIX), []);
  });

  const ask = ({ from, to, port, protocol, expect }: Flow): Promise<PeerAnswer> =>
    lan.peer(from).request({
      do: 'ask',
      protocol,
      ip: to,
      port,
      timeoutMs: expect === 'drop' ? DROP_MS : ANSWER_MS,
    });

  /** Who answered, and whom they saw; asks until all that are expected have been heard. */
  const hear = async (flow: Flow, expected: readonly string[]) => {
    const heard = new Set<string>();
    for (let tries = 0; tries < TRIES_MAX && !(tries >= 8 && expected.every((one) => heard.has(one))); tries++) {
      const answer = await ask(flow);
      heard.add('text' in answer ? answer.text : JSON.stringify(answer));
    }
    return [...heard].sort();
  };

  const check = async (flow: Flow) => {
    const { expect } = flow;
    if (typeof expect === 'string') return assert.deepEqual(await ask(flow), { failed: expect });
    const clients = { ...world.pods, node: world.nodeIp, 'other-node': world.otherNodeIp, outside: world.outsideIp };
    const expected = expect.endpoints.map((pod) => {
      // A pod that is sent to itself, or to its neighbour, sees the node by its address on the link between them.
      const source = expect.source === 'client' ? clients[flow.from] : pod === 'pod-c' ? world.nodeIp : '169.254.1.1';
      return `${world.pods[pod]} ${source}`;
    });
    const heard = await hear(flow, expect.sticky ? ['nobody'] : expected);
    if (!expect.sticky) return assert.deepEqual(heard, expected.sort());
    assert.equal(heard.length, 1);
    assert.ok(expected.includes(heard[0]!), heard[0]);
  };

  testContract(check, SKIPS);

  /** A Service of the contract with some of its endpoints. */
  const served = (name: string) => {
    const service = contract.flatMap(({ services }) => services).find(({ metadata }) => metadata.name === name)!;
    const slice = contract.flatMap(({ slices }) => slices).find(({ metadata }) => metadata.name === `${name}-1`)!;
    const only = (...pods: (keyof typeof world.pods)[]) => ({
      ...slice,
      endpoints: slice.endpoints!.filter(({ addresses }) => pods.some((pod) => world.pods[pod] === addresses[0])),
    });
    return { slice, to: service.spec!.clusterIPs![0]!, only };
  };

  it('a client that stays with an endpoint moves on when it is gone, and then stays there', async () => {
    const { slice, to, only } = served('sticky');
    const flow: Flow = { from: 'pod-a', to, port: 80, protocol: 'TCP', expect: 'reject' };
    const own = world.pods['pod-a'];
    for (const [pods, answer] of [
      [['pod-b'], `${world.pods['pod-b']} ${own}`],
      [['pod-c'], `${world.pods['pod-c']} ${own}`],
      [['pod-b', 'pod-c'], `${world.pods['pod-c']} ${own}`],
    ] as const) {
      map.setSlice(only(...pods), slice);
      await apply(planner.update(map.takeChanges()));
      assert.deepEqual(await hear(flow, ['nobody']), [answer]);
    }
  });

  it('openConntrack: a UDP client moves on when its endpoint is gone', async () => {
    const { slice, to, only } = served('udp');
    const answer = () =>
      lan
        .peer('pod-a')
        .request({ do: 'ask', protocol: 'UDP', ip: to, port: 80, fromPort: 40000, timeoutMs: ANSWER_MS });
    map.setSlice(only('pod-b'), slice);
    await apply(planner.update(map.takeChanges()));
    assert.deepEqual(await answer(), { text: `${world.pods['pod-b']} ${world.pods['pod-a']}` });
    map.setSlice(only('pod-c'), only('pod-b'));
    const plan = planner.update(map.takeChanges());
    await apply(plan);
    const gone = { frontendIp: to, frontendPort: 80, endpointIp: world.pods['pod-b'], endpointPort: PORTS.UDP };
    assert.deepEqual(plan.staleFlows, [gone]);
    // The kernel still sends this client where it sent it before.
    assert.deepEqual(await answer(), { text: `${world.pods['pod-b']} ${world.pods['pod-a']}` });
    const forgotten = await lan.peer('node').request({ do: 'forget', flows: plan.staleFlows });
    assert.ok('text' in forgotten && Number(forgotten.text) >= 1);
    assert.deepEqual(await answer(), { text: `${world.pods['pod-c']} ${world.pods['pod-a']}` });
  });

  it('cleanup: nothing is left', async () => {
    await lan.peer('node').request({ do: 'nft', commands: planner.cleanup() });
    assert.equal(await lan.rules(), '');
  });
});
