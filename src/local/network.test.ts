import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkScript } from './network.ts';
import { planCluster } from './plan.ts';

const plan = planCluster({ name: 'dev', nodes: 2, port: 6443 });

test('networkScript() makes a bridge, a link a node, and no way out', () => {
  const script = networkScript(plan, new Set());
  assert.deepEqual(script.namespaces, [
    'netns add sampan-dev-lan',
    'netns add sampan-dev-node-1',
    'netns add sampan-dev-node-2',
  ]);
  assert.deepEqual(script.lan, [
    'link set lo up',
    'link add lan type bridge',
    'address add 10.89.0.1/24 dev lan',
    'link set lan up',
    'link add n1 type veth peer name eth0 netns sampan-dev-node-1',
    'link set n1 master lan',
    'link set n1 up',
    'link add n2 type veth peer name eth0 netns sampan-dev-node-2',
    'link set n2 master lan',
    'link set n2 up',
    'route add unreachable default',
  ]);
  assert.deepEqual(script.nodes.get('sampan-dev-node-2'), [
    'link set lo up',
    'address add 10.89.0.12/24 dev eth0',
    'link set eth0 up',
    'route add 10.96.0.0/16 dev eth0 src 10.89.0.12',
    'route add unreachable default',
  ]);
});

test('networkScript() adds only what is missing', () => {
  const script = networkScript(plan, new Set(['sampan-dev-lan', 'sampan-dev-node-1']));
  assert.deepEqual(script.namespaces, ['netns add sampan-dev-node-2']);
  assert.deepEqual(script.lan, [
    'link add n2 type veth peer name eth0 netns sampan-dev-node-2',
    'link set n2 master lan',
    'link set n2 up',
  ]);
  assert.deepEqual([...script.nodes.keys()], ['sampan-dev-node-2']);
});

test('networkScript() of a whole network is empty', () => {
  const script = networkScript(plan, new Set([plan.lan.netns, ...plan.nodes.map((node) => node.netns)]));
  assert.deepEqual([script.namespaces, script.lan, script.nodes.size], [[], [], 0]);
});
