import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { KUBECTL_VERSIONS } from '../../src/local/kubectl.ts';
import { Walk } from '../../src/local/walk.ts';
import { parseWalkthrough } from '../../src/local/walkthrough.ts';
import { ROOT } from '../source.ts';
import { kubectlEnvironment, obstacle, plan, startCluster, stopCluster } from './cluster.ts';

/** Tests that go through every file of steps in a directory, on one cluster, with each kubectl. */
export function testWalks(title: string, directory: string): void {
  const files = readdirSync(join(ROOT, directory)).filter((name) => name.endsWith('.yaml'));
  describe(title, { skip: obstacle() ?? false }, () => {
    before(startCluster);
    after(async () => assert.deepEqual(await stopCluster(), []));
    for (const file of files.sort()) {
      for (const version of KUBECTL_VERSIONS) testWalk(join(ROOT, directory, file), version);
    }
  });
}

function testWalk(file: string, version: string): void {
  const walkthrough = parseWalkthrough(readFileSync(file, 'utf8'));
  test(`${walkthrough.title}, with kubectl ${version}`, async (t) => {
    const env = kubectlEnvironment(version);
    const walk = new Walk({ plan, env, cwd: ROOT, clock: systemClock, signal: t.signal });
    for (const command of walkthrough.prepare) await run(['bash', '-c', command], { env, cwd: ROOT });
    for (const step of walkthrough.steps) {
      await t.test(step.run, async () => {
        for (const { at, command, output, problems } of await walk.step(step))
          assert.deepEqual(problems, [], `${at}$ ${command}\n${output}`);
      });
    }
  });
}
