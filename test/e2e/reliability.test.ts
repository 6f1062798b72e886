import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { pods } from '../../src/api/kinds/pod.ts';
import type { Pod } from '../../src/api/types.ts';
import { allPids, commandLine, signalProcess } from '../../src/host/process.ts';
import { sleep, systemClock } from '../../src/lib/clock.ts';
import { connect } from '../../src/local/connect.ts';
import type { ProcessPlan } from '../../src/local/plan.ts';
import { runningProcess } from '../../src/local/processes.ts';
import { kubectl, obstacle, plan, sampan, startCluster, stopCluster } from './cluster.ts';

const client = () => connect(plan, systemClock).client;
const [first] = plan.nodes;

const run = (name: string, node: string, script: string) =>
  client().create(pods, {
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: {
      nodeName: node,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', script] }],
    } as Pod['spec'],
  });

/** Pods as the API shows them: which containers run, and how often they were started. */
async function lives(): Promise<string[]> {
  const { items } = await client().list(pods, { namespace: 'default' });
  return items.map(({ metadata, status }) => {
    const [container] = status?.containerStatuses ?? [];
    return `${metadata.name} ${container?.containerID} ${container?.restartCount} ${container?.state?.running?.startedAt}`;
  });
}

/** Processes that hold a pod's containers on the first node. */
function shims(): number {
  const mark = ` -address ${first!.containerd.socket}`;
  return allPids().filter((pid) => commandLine(pid).includes('containerd-shim') && commandLine(pid).includes(mark))
    .length;
}

/** Lines that the client has got back by its one connection. */
async function echoed(): Promise<number> {
  return (await kubectl('logs', 'talker')).split('\n').length;
}

async function untilMore(than: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await echoed()) > than) return;
    await sleep(systemClock, 200);
  }
  throw new Error('the connection has died');
}

async function kill(program: ProcessPlan): Promise<void> {
  signalProcess(runningProcess(program)!.pid, 'SIGKILL');
  while (runningProcess(program)) await sleep(systemClock, 10);
}

describe('programs that are killed', { skip: obstacle() ?? false }, () => {
  before(async () => {
    await startCluster();
    await run('listener', first!.name, 'exec nc -ll -p 7000 -e cat');
    await kubectl('expose', 'pod', 'listener', '--port=7000');
    await kubectl('wait', '--for=condition=Ready', 'pod/listener', '--timeout=60s');
    await run(
      'talker',
      first!.name,
      'until nslookup listener.default.svc.cluster.local; do sleep 0.2; done >/dev/null 2>&1; while true; do echo tick; sleep 0.2; done | exec nc listener.default.svc.cluster.local 7000',
    );
    await kubectl('wait', '--for=condition=Ready', 'pod/talker', '--timeout=60s');
    await untilMore(2);
  });
  after(async () => assert.deepEqual(await stopCluster(), []));

  const programs: [string, ProcessPlan][] = [
    ['the agent of a node', first!.agent],
    ['the container runtime of a node', first!.containerd],
    ['the server', plan.server],
  ];
  for (const [name, program] of programs) {
    test(`${name}: containers and connections live on, nothing is started twice`, async () => {
      const [before, count] = [await lives(), shims()];
      await kill(program);
      await sampan('up', '--name', plan.name);
      await untilMore(await echoed());
      assert.deepEqual(await lives(), before);
      assert.equal(shims(), count);
      assert.equal(await kubectl('exec', 'talker', '--', 'echo', 'hello'), 'hello\n');
      await run('next', first!.name, 'exec sleep 1000');
      await kubectl('wait', '--for=condition=Ready', 'pod/next', '--timeout=30s');
      await kubectl('delete', 'pod', 'next');
      assert.equal(shims(), count);
    });
  }

  test('a node that comes back does what was asked of it meanwhile', async () => {
    await run('goes', first!.name, 'exec sleep 1000');
    await kubectl('wait', '--for=condition=Ready', 'pod/goes', '--timeout=30s');
    const count = shims();
    await kill(first!.agent);
    await kubectl('delete', 'pod', 'goes', '--wait=false');
    await run('comes', first!.name, 'exec sleep 1000');
    await sampan('up', '--name', plan.name);
    await kubectl('wait', '--for=delete', 'pod/goes', '--timeout=30s');
    await kubectl('wait', '--for=condition=Ready', 'pod/comes', '--timeout=30s');
    assert.equal(shims(), count);
  });
});
