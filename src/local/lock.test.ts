import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FakeClock } from '../testing/clock.ts';
import { withLock } from './lock.ts';

const directory = mkdtempSync(join(tmpdir(), 'sampan-lock-'));
after(() => rmSync(directory, { recursive: true }));
const file = join(directory, 'deep', 'lock');
const lock = { file, ownPid: process.pid, busy: 'the door is being opened' };

test('withLock() refuses a second holder while the first works', async () => {
  await withLock(lock, async () => {
    await assert.rejects(
      withLock(lock, async () => {}),
      new RegExp(`^Error: the door is being opened by process ${process.pid}$`),
    );
  });
  assert.equal(await withLock(lock, async () => 'again'), 'again');
});

test('withLock() lets go when the work fails', async () => {
  await assert.rejects(
    withLock(lock, () => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.equal(existsSync(file), false);
});

test('withLock() takes over from a process that is gone, and from a damaged file', async () => {
  for (const text of [JSON.stringify({ pid: process.pid, startTime: '1' }), '{', '']) {
    writeFileSync(file, text);
    assert.equal(await withLock(lock, async () => 'mine'), 'mine', text);
  }
});

test('withLock() waits when asked to', async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const done: string[] = [];
  const first = Promise.withResolvers<void>();
  const holding = withLock(lock, () => first.promise).then(() => done.push('first'));
  const waiting = withLock({ ...lock, wait: { clock, signal } }, async () => done.push('second'));
  first.resolve();
  await holding;
  clock.advance(100);
  await waiting;
  assert.deepEqual(done, ['first', 'second']);
});
