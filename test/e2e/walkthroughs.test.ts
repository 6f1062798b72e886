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

const DIRECTORY = join(ROOT, 'examples/walkthroughs');
const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.yaml'));

describe('walkthroughs', { skip: obstacle() ?? false }, () => {
  before(startCluster);
  after(async () => assert.deepEqual(await stopCluster(), []));

  for (const file of files.sort()) {
    const walkthrough = parseWalkthrough(readFileSync(join(DIRECTORY, file), 'utf8'));
    for (const version of KUBECTL_VERSIONS) {
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
  }
});
