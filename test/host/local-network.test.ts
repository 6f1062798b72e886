import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { deleteNetns, ipBatch, listNetns } from '../../src/host/netns.ts';
import { applyNetwork } from '../../src/local/network.ts';
import { ownsNetns, planCluster } from '../../src/local/plan.ts';

const plan = planCluster({ name: 'nettest', nodes: 2, port: 1 });
const [first, second] = plan.nodes.map((node) => node.netns) as [string, string];
const skip = process.getuid?.() === 0 ? false : 'needs root';

function namespaces(): string[] {
  return listNetns('sampan-nettest-').filter((name) => ownsNetns(plan.name, name));
}

async function reaches(netns: string, address: string): Promise<boolean> {
  const command = ['ip', 'netns', 'exec', netns, 'bash', '-c', `exec 3<>/dev/tcp/${address}/9`] as const;
  const failure = await run([...command], { timeoutMs: 5000 }).then(
    () => '',
    (error: Error) => error.message,
  );
  // A refusal comes from the address itself.
  return failure.includes('Connection refused');
}

describe('network of a cluster', { skip }, () => {
  afterEach(async () => {
    for (const name of namespaces()) await deleteNetns(name);
  });

  test('nodes reach each other and the server, and nothing else', async () => {
    await applyNetwork(plan);
    assert.ok(await reaches(first, plan.nodes[1]!.ip));
    assert.ok(await reaches(second, plan.lan.address));
    assert.ok(await reaches(plan.lan.netns, plan.nodes[0]!.ip));
    assert.ok(!(await reaches(first, '192.0.2.1')));
  });

  test('a node has a source address for Services', async () => {
    await applyNetwork(plan);
    const { stdout } = await run(['ip', '-n', first, 'route', 'get', '10.96.0.1']);
    assert.match(stdout, /dev eth0 src 10\.89\.0\.11/);
  });

  test('applying it again keeps what is whole', async () => {
    await applyNetwork(plan);
    await ipBatch(['link add marker type bridge'], first);
    await applyNetwork(planCluster({ name: 'nettest', nodes: 3, port: 1 }));
    await run(['ip', '-n', first, 'link', 'show', 'marker']);
    assert.ok(await reaches(first, '10.89.0.13'));
  });

  test('what an interrupted start left is made anew', async () => {
    await applyNetwork(plan);
    for (const broken of [second, plan.lan.netns]) {
      await ipBatch(['route delete unreachable default'], broken);
      await applyNetwork(plan);
      assert.ok(await reaches(second, plan.nodes[0]!.ip), broken);
    }
  });

  test('the machine itself gets no link', async () => {
    await applyNetwork(plan);
    const { stdout } = await run(['ip', '-o', 'link']);
    assert.doesNotMatch(stdout, /^\d+: (lan|eth0@|n[12])\b/m);
  });
});
