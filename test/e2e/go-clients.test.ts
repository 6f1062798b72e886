import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CommandError, run } from '../../src/host/exec.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { startHttpsServer } from '../../src/testing/https-server.ts';
import { ROOT } from '../source.ts';

const SOURCES = join(ROOT, 'test', 'clients', 'go');
const BUILD_MS = 400_000;
const RUN_MS = 90_000;

const directory = mkdtempSync(join(tmpdir(), 'sampan-go-'));
after(() => rmSync(directory, { recursive: true }));

/** Builds the program of test/clients/go; answers why it can not be built, if it is not for its own mistakes. */
async function build(): Promise<string | undefined> {
  const options = { cwd: SOURCES, timeoutMs: BUILD_MS };
  try {
    await run(['go', 'mod', 'download'], options);
  } catch (error) {
    const why = error instanceof CommandError ? error.stderr : (error as Error).message;
    return `no Go, or no modules for it: ${why.split('\n')[0]}`;
  }
  await run(['go', 'build', '-o', join(directory, 'clients'), '.'], options);
  return undefined;
}

const CHECKS = [
  ...['json', 'vnd.kubernetes.protobuf'].flatMap((form) => [
    `create, update and conflict (${form})`,
    `patch and apply (${form})`,
    `informers (${form})`,
    `pages (${form})`,
    `errors (${form})`,
    `leader election (${form})`,
    `events (${form})`,
  ]),
  'define a kind',
  'dynamic client and informer',
  'metadata client',
  'controller-runtime',
];

test('client-go and controller-runtime do their work against the API server', { timeout: BUILD_MS * 2 }, async (t) => {
  const obstacle = await build();
  if (obstacle) return t.skip(obstacle);
  const server = await startHttpsServer({ store: createMemoryStore() });
  try {
    const kubeconfig = join(directory, 'kubeconfig');
    writeFileSync(kubeconfig, server.kubeconfig);
    const { stdout } = await run([join(directory, 'clients'), kubeconfig], { timeoutMs: RUN_MS });
    assert.deepEqual(
      stdout.trim().split('\n'),
      CHECKS.map((name) => `ok ${name}`),
    );
  } finally {
    server.stop();
  }
});
