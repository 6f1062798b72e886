import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CommandError, run } from '../../src/host/exec.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { startHttpsServer } from '../../src/testing/https-server.ts';
import { ROOT } from '../source.ts';

const PACKAGE = 'kubernetes==37.0.2';
const INSTALL_MS = 300_000;
const RUN_MS = 90_000;

const directory = mkdtempSync(join(tmpdir(), 'sampan-python-'));
const python = join(directory, 'bin', 'python');
after(() => rmSync(directory, { recursive: true }));

/** Installs the Python client into a directory of its own; answers why it can not be had. */
async function install(): Promise<string | undefined> {
  try {
    await run(['python3', '-m', 'venv', directory], { timeoutMs: INSTALL_MS });
    await run([python, '-m', 'pip', 'install', '--quiet', PACKAGE], { timeoutMs: INSTALL_MS });
    return undefined;
  } catch (error) {
    const why = error instanceof CommandError ? error.stderr : (error as Error).message;
    return `no Python, or no ${PACKAGE} for it: ${why.trim().split('\n').at(-1)}`;
  }
}

test('the Python client does its work against the API server', { timeout: INSTALL_MS * 2 }, async (t) => {
  const obstacle = await install();
  if (obstacle) return t.skip(obstacle);
  const server = await startHttpsServer({ store: createMemoryStore() });
  try {
    const kubeconfig = join(directory, 'kubeconfig');
    writeFileSync(kubeconfig, server.kubeconfig);
    const program = join(ROOT, 'test', 'clients', 'python', 'check.py');
    const { stdout } = await run([python, program, kubeconfig], { timeoutMs: RUN_MS });
    assert.deepEqual(stdout.trim().split('\n'), ['ok objects', 'ok watches', 'ok manifests', 'ok custom resources']);
  } finally {
    server.stop();
  }
});
