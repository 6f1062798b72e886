import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLmdbStore } from './lmdb.ts';

const ANSWERED = 500;

test('lmdb: every write that was answered is there after a kill', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sampan-kill-'));
  const child = spawn(process.execPath, [new URL('./kill.fixture.ts', import.meta.url).pathname, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += chunk;
    if (text.split('\n').length > ANSWERED && !child.killed) child.kill('SIGKILL');
  }
  if (child.signalCode === null) await once(child, 'exit');
  const answered = text.slice(0, text.lastIndexOf('\n')).split('\n');
  const store = await openLmdbStore({ directory });
  const missing = answered.filter((key) => store.get(key) === undefined);
  assert.equal(child.signalCode, 'SIGKILL');
  assert.ok(answered.length >= ANSWERED);
  assert.deepEqual(missing, []);
  assert.ok(store.revision >= answered.length);
  await store.close();
  await rm(directory, { recursive: true });
});
