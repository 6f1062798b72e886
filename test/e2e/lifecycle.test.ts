import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { signalProcess } from '../../src/host/process.ts';
import { leftovers, processesOf } from '../../src/local/down.ts';
import { runningProcess } from '../../src/local/processes.ts';
import {
  kubectl,
  obstacle,
  plan,
  sampan,
  sampanFails,
  second,
  serverReady,
  startCluster,
  stopCluster,
} from './cluster.ts';

describe('life of a cluster', { skip: obstacle() ?? false }, () => {
  before(startCluster);
  after(async () => assert.deepEqual(await stopCluster(), []));

  test('the machine itself gets no address and no link', async () => {
    const { stdout } = await run(['ip', '-o', 'address']);
    assert.doesNotMatch(stdout, /10\.89\.|10\.244\.|10\.96\./);
  });

  test('nodes have no way out', async () => {
    for (const node of plan.nodes) {
      const { stdout } = await run(['ip', '-n', node.netns, 'route', 'get', '192.0.2.1']).catch((error) => error);
      assert.doesNotMatch(stdout, /dev/);
    }
  });

  test('up a second time changes nothing', async () => {
    const earlier = processesOf(plan);
    await sampan('up', '--name', plan.name);
    assert.deepEqual(new Set(processesOf(plan)), new Set(earlier));
  });

  test('status shows nodes and memory', async () => {
    const table = await sampan('status', '--name', plan.name);
    assert.match(table, /^node-3\s+Ready\s+10\.89\.0\.13\s+10\.244\.\d\.0\/24\s+v1\.35/m);
    const status = JSON.parse(await sampan('status', '--name', plan.name, '-o', 'json'));
    assert.equal(status.ready, true);
    assert.ok(status.memoryBytes > 0);
  });

  test('a command runs on a node', async () => {
    const seen = await sampan('node', '--name', plan.name, 'node-2', '--', 'ip', '-o', 'address', 'show', 'eth0');
    assert.match(seen, /10\.89\.0\.12\/24/);
  });

  test('a server that was killed comes back with all its objects', async () => {
    await kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
    signalProcess(runningProcess(plan.server)!.pid, 'SIGKILL');
    await sampan('up', '--name', plan.name);
    assert.ok(await serverReady());
    assert.match(await kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'), /^b$/);
  });

  test('what cannot be is refused and changes nothing', async () => {
    assert.match(await sampanFails('up', '--name', plan.name, '--nodes', '2'), /has 3 nodes/);
    assert.match(await sampanFails('up', '--name', plan.name, '--port', '17443'), /has port 16553/);
    assert.match(await sampanFails('up', '--name', second.name, '--port', '16553'), /port 16553 .*taken/);
    assert.match(await sampanFails('up', '--name', 'No'), /cluster name "No"/);
    await sampan('down', '--name', second.name);
  });

  test('a cluster can grow while it runs', async () => {
    const earlier = processesOf(plan);
    await sampan('up', '--name', plan.name, '--nodes', '4');
    assert.match(await kubectl('get', 'node', 'node-4'), /^node-4\s+Ready/m);
    const now = new Set(processesOf(plan));
    assert.ok(earlier.every((pid) => now.has(pid)));
  });

  test('another cluster is not touched', async () => {
    const port = String(plan.port + 1);
    await sampan('up', '--name', second.name, '--nodes', '1', '--port', port);
    const earlier = processesOf(plan);
    await sampan('down', '--name', second.name);
    assert.deepEqual(leftovers(second), []);
    assert.deepEqual(new Set(processesOf(plan)), new Set(earlier));
    assert.ok(await serverReady());
  });

  test('down takes all away after everything was killed', async () => {
    await kubectl('create', 'deployment', 'web', '--image=nginx', '--replicas=3', '--validate=false');
    await kubectl('wait', '--for=condition=Available', 'deployment/web', '--timeout=30s');
    for (const pid of processesOf(plan)) signalProcess(pid, 'SIGKILL');
    assert.deepEqual(await stopCluster(), []);
  });

  test('down a second time is harmless', async () => {
    assert.deepEqual(await stopCluster(), []);
  });

  test('a cluster starts again after that', async () => {
    await startCluster();
    assert.match(await kubectl('get', 'nodes', '-o', 'name'), /^node\/node-1\nnode\/node-2\nnode\/node-3$/m);
  });
});
