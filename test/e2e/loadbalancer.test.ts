import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { after, before, describe, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { runningProcess } from '../../src/local/processes.ts';
import { kubectl, obstacle, plan, sampan, startCluster, stopCluster } from './cluster.ts';
import { curlFrom, eventually } from './eventually.ts';

const ADDRESS = 'jsonpath={.status.loadBalancer.ingress[0].ip}';

/** As a host on the cluster's network that is no node. Undefined while nobody answers. */
function curl(url: string): Promise<string | undefined> {
  return curlFrom(plan.lan.netns, url);
}

/** The nodes that have an address on their link. */
async function holders(ip: string): Promise<string[]> {
  const found: string[] = [];
  for (const node of plan.nodes) {
    const { stdout } = await run(['ip', '-n', node.netns, '-brief', 'address', 'show', 'eth0']);
    if (stdout.includes(` ${ip}/32`)) found.push(node.name);
  }
  return found;
}

describe('Services of type LoadBalancer', { skip: obstacle() ?? false }, () => {
  before(async () => {
    await startCluster();
    await kubectl('create', 'deployment', 'web', '--image=nginx', '--replicas=2');
    await kubectl('expose', 'deployment', 'web', '--port=80', '--type=NodePort');
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
  });
  after(async () => assert.deepEqual(await stopCluster(), []));

  test('a NodePort Service that becomes a LoadBalancer gets an address that answers, and loses it again', async () => {
    assert.equal(await kubectl('get', 'service', 'web', '-o', ADDRESS), '');
    await kubectl('patch', 'service', 'web', '-p', '{"spec":{"type":"LoadBalancer"}}');
    await kubectl('wait', 'service/web', `--for=${ADDRESS}`, '--timeout=10s');
    const ip = await kubectl('get', 'service', 'web', '-o', ADDRESS);
    assert.match(ip, /^10\.89\.0\.2\d\d$/);
    assert.match(
      await kubectl('get', 'service', 'web'),
      new RegExp(`LoadBalancer +10\\.96\\.\\S+ +${ip} +80:3\\d+/TCP`),
    );
    assert.match(await eventually('an answer', () => curl(`http://${ip}`)), /Welcome to nginx/);
    assert.equal((await eventually('one holder', async () => some(await holders(ip)))).length, 1);
    for (const node of plan.nodes) {
      assert.match(
        await sampan('node', '--name', plan.name, node.name, '--', 'curl', '-sS', '-m', '3', `http://${ip}`),
        /nginx/,
      );
    }
    assert.match(await kubectl('describe', 'service', 'web'), /EnsuredLoadBalancer/);

    await kubectl('patch', 'service', 'web', '-p', '{"spec":{"type":"NodePort"}}');
    assert.equal(await kubectl('get', 'service', 'web', '-o', ADDRESS), '');
    await eventually('the address to go', async () => ((await holders(ip)).length === 0 ? true : undefined));
  });

  test('Services answer on the machine itself, at loopback addresses and by name', async () => {
    await kubectl('patch', 'service', 'web', '-p', '{"spec":{"type":"LoadBalancer"}}');
    await kubectl('wait', 'service/web', `--for=${ADDRESS}`, '--timeout=10s');
    const [clusterIp, ip, nodePort] = await Promise.all(
      ['{.spec.clusterIP}', '{.status.loadBalancer.ingress[0].ip}', '{.spec.ports[0].nodePort}'].map((path) =>
        kubectl('get', 'service', 'web', '-o', `jsonpath=${path}`),
      ),
    );
    const lan = plan.gateway.lan.replace(/\d+\/\d+$/, '');
    const services = plan.gateway.services.replace(/\d+\.\d+\/\d+$/, '');
    const addresses = [
      services + clusterIp!.split('.').slice(2).join('.'),
      lan + ip!.split('.').at(-1),
      ...[11, 12, 13].map((node) => `${lan}${node}:${nodePort}`),
    ];
    for (const address of addresses) {
      const look = () =>
        fetch(`http://${address}`).then(
          (answer) => answer.text(),
          () => undefined,
        );
      assert.match(await eventually(address, look), /Welcome to nginx/);
    }
    const resolver = new Resolver();
    resolver.setServers([plan.gateway.nameServer]);
    assert.deepEqual(await resolver.resolve4(`web.default.${plan.gateway.domain}`), [lan + ip!.split('.').at(-1)]);
  });

  test('when the node that announces it dies, another one answers', async () => {
    await kubectl('patch', 'service', 'web', '-p', '{"spec":{"type":"LoadBalancer","loadBalancerIP":"10.89.0.210"}}');
    await eventually('an answer', () => curl('http://10.89.0.210'));
    const [holder] = await holders('10.89.0.210');
    const node = plan.nodes.find(({ name }) => name === holder)!;
    process.kill(runningProcess(node.agent)!.pid, 'SIGKILL');
    const moved = await eventually('another holder', async () => {
      const now = await holders('10.89.0.210');
      return now.length === 1 && now[0] !== holder ? now : undefined;
    });
    assert.equal(moved.length, 1);
    assert.match((await curl('http://10.89.0.210')) ?? '', /Welcome to nginx/);
    await sampan('up', '--name', plan.name, '--nodes', String(plan.nodes.length), '--port', String(plan.port));
    await eventually('the first holder again', async () =>
      (await holders('10.89.0.210')).join() === holder ? true : undefined,
    );
  });

  test('an address outside the pool is refused with an event, and the rest works on', async () => {
    await kubectl('create', 'service', 'loadbalancer', 'far', '--tcp=80');
    await kubectl('patch', 'service', 'far', '-p', '{"spec":{"loadBalancerIP":"10.1.2.3"}}');
    const said = await eventually('the event', async () => {
      const text = await kubectl('get', 'events', '--field-selector', 'reason=SyncLoadBalancerFailed');
      return text.includes('10.1.2.3') ? text : undefined;
    });
    assert.match(said, /address 10.1.2.3 is not in the pool/);
    assert.match(await eventually('an answer', () => curl('http://10.89.0.210')), /Welcome to nginx/);
  });
});

function some(names: string[]): string[] | undefined {
  return names.length > 0 ? names : undefined;
}
