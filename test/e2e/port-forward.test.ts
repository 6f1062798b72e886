import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { kubectl, kubectlEnvironment, obstacle, startCluster, stopCluster } from './cluster.ts';

/** Forwards a free port of this machine while `use` runs. */
async function forwarded(
  version: string,
  words: readonly string[],
  use: (port: number) => Promise<void>,
): Promise<void> {
  const child = spawn('kubectl', ['port-forward', ...words], {
    env: kubectlEnvironment(version),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let text = '';
    for await (const chunk of child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      text += chunk;
      const port = /127\.0\.0\.1:(\d+) ->/.exec(text)?.[1];
      if (port) return await use(Number(port));
    }
    throw new Error(`kubectl port-forward ended: ${text}`);
  } finally {
    child.kill();
  }
}

describe('port-forward', { skip: obstacle() ?? false }, () => {
  before(async () => {
    await startCluster();
    await kubectl('run', 'web', '--image=nginx', '--image-pull-policy=IfNotPresent');
    await kubectl('wait', '--for=condition=Ready', 'pod/web', '--timeout=30s');
  });
  after(async () => assert.deepEqual(await stopCluster(), []));

  for (const version of ['1.35', '1.32']) {
    test(`kubectl ${version} reaches a pod's port from this machine`, async () => {
      await forwarded(version, ['pod/web', ':80'], async (port) => {
        for (let i = 0; i < 3; i++) {
          const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
          assert.match(await answer.text(), /Welcome to nginx/);
        }
      });
    });
  }
});
