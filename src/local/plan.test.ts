import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePlan, ownsNetns, planCluster } from './plan.ts';

test('planCluster() gives every node its own names, addresses and directories', () => {
  const plan = planCluster({ name: 'dev', nodes: 3, port: 6443 });
  assert.deepEqual(
    plan.nodes.map((node) => [node.name, node.netns, node.ip, node.lanLink, node.containerd.socket, node.cgroup]),
    [1, 2, 3].map((n) => [
      `node-${n}`,
      `sampan-dev-node-${n}`,
      `10.89.0.1${n}`,
      `n${n}`,
      `/run/sampan/dev/nodes/node-${n}/containerd.sock`,
      `sampan-dev/node-${n}`,
    ]),
  );
  const files = plan.nodes.flatMap(({ containerd, agent }) => [containerd, agent].flatMap((one) => Object.values(one)));
  assert.equal(new Set(files).size, files.length);
});

test('planCluster() keeps all state below the roots, which tests choose', () => {
  const roots = { state: '/s', run: '/r' };
  const text = JSON.stringify(planCluster({ name: 'x', nodes: 2, port: 1, roots }));
  for (const [path] of text.matchAll(/(?<=")\/[^"]+/g)) assert.match(path, /^\/[sr]\/x(\/|$)/);
});

test('planCluster() refuses what cannot be, and says what can', () => {
  const rows = [
    [{ name: 'Dev' }, /cluster name "Dev"/],
    [{ name: '' }, /cluster name ""/],
    [{ name: 'a-' }, /cluster name "a-"/],
    [{ name: '../x' }, /cluster name/],
    [{ name: 'images' }, /none of: images/],
    [{ name: 'a'.repeat(31) }, /at most 30/],
    [{ nodes: 0 }, /1 to 100, actual: 0/],
    [{ nodes: 101 }, /actual: 101/],
    [{ nodes: 1.5 }, /actual: 1\.5/],
    [{ nodes: Number.NaN }, /actual: NaN/],
    [{ port: 0 }, /port .* actual: 0/],
    [{ port: 65536 }, /actual: 65536/],
  ] as const;
  for (const [wrong, message] of rows)
    assert.throws(() => planCluster({ name: 'dev', nodes: 1, port: 1, ...wrong }), { message });
});

test('ownsNetns() takes no namespace of another cluster', () => {
  const rows = [
    ['dev', 'sampan-dev-lan', true],
    ['dev', 'sampan-dev-node-12', true],
    ['dev', 'sampan-dev-node-', false],
    ['dev', 'sampan-dev-2-lan', false],
    ['dev', 'sampan-dev-node-1-lan', false],
    ['dev-2', 'sampan-dev-2-lan', true],
    ['dev', 'sampan-dev', false],
    ['dev', 'cni-1234', false],
  ] as const;
  for (const [cluster, netns, owned] of rows) assert.equal(ownsNetns(cluster, netns), owned, `${cluster} ${netns}`);
});

test('describePlan() names addresses and namespaces', () => {
  const text = describePlan(planCluster({ name: 'dev', nodes: 1, port: 7000 }));
  assert.match(text, /^API server\s+https:\/\/127\.0\.0\.1:7000/m);
  assert.match(text, /^node-1\s+10\.89\.0\.11 in network namespace sampan-dev-node-1$/m);
});
