import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { withLock } from './lock.ts';

const directory = mkdtempSync(join(tmpdir(), 'sampan-lock-'));
after(() => rmSync(directory, { recursive: true }));
const file = join(directory, 'deep', 'lock');

test('withLock() refuses a second holder while the first works', async () => {
  await withLock(file, process.pid, async () => {
    await assert.rejects(
      withLock(file, process.pid, async () => {}),
      new RegExp(`process ${process.pid} is starting`),
    );
  });
  assert.equal(await withLock(file, process.pid, async () => 'again'), 'again');
});

test('withLock() lets go when the work fails', async () => {
  await assert.rejects(
    withLock(file, process.pid, () => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.equal(existsSync(file), false);
});

test('withLock() takes over from a process that is gone, and from a damaged file', async () => {
  for (const text of [JSON.stringify({ pid: process.pid, startTime: '1' }), '{', '']) {
    writeFileSync(file, text);
    assert.equal(await withLock(file, process.pid, async () => 'mine'), 'mine', text);
  }
});
