import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AgentBench } from './agent-fixture.ts';
import { enterOwnNetwork, TestContainerd, whyNoContainers } from './containerd-fixture.ts';

const skip = whyNoContainers() ?? false;

describe('agent over a real containerd', { skip, timeout: 300_000 }, () => {
  let containerd: TestContainerd;
  let bench: AgentBench;

  before(async () => {
    await enterOwnNetwork();
    containerd = await TestContainerd.start();
    bench = await AgentBench.start(containerd);
  });

  after(async () => {
    await bench?.stop();
    await containerd?.stop();
  });

  it('runs a pod, shows its status, and ends it', async () => {
    const start = performance.now();
    await bench.createPod('plain', {}, { command: ['sh', '-c', 'echo one; echo two; sleep 1000'] });
    const pod = await bench.running('plain');
    console.log('ms', performance.now() - start);
    console.log(JSON.stringify(pod.status, null, 1));
    assert.equal(await bench.logs('plain'), 'one\ntwo\n');
    console.log(await bench.exec('plain', ['cat'], { stdin: 'hello\n' }));
    console.log(await bench.exec('plain', ['sh', '-c', 'echo out; echo err >&2; exit 3']));
    await bench.deletePod('plain');
    await bench.gone('plain');
    console.log(bench.logLines.join('\n'));
  });
});
