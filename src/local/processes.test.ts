import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { signalProcess } from '../host/process.ts';
import { systemClock } from '../lib/clock.ts';
import { listenForChild, logTail, runningProcess, startProcess, waitFor } from './processes.ts';

const directory = mkdtempSync(join(tmpdir(), 'sampan-processes-'));
const plan = {
  configFile: join(directory, 'config'),
  logFile: join(directory, 'logs', 'log'),
  pidFile: join(directory, 'run', 'pid'),
};
const wait = {
  what: 'program',
  process: plan,
  clock: systemClock,
  timeoutMs: 5000,
  signal: new AbortController().signal,
};

afterEach(() => {
  const running = runningProcess(plan);
  if (running) signalProcess(running.pid, 'SIGKILL');
});
after(() => rmSync(directory, { recursive: true }));

test('startProcess() starts once, and again when the process is gone', async () => {
  assert.equal(startProcess(plan, { command: ['sleep', '60'] }), true);
  const first = runningProcess(plan)!;
  assert.equal(startProcess(plan, { command: ['sleep', '60'] }), false);
  signalProcess(first.pid, 'SIGKILL');
  await assert.rejects(waitFor({ ...wait, check: () => false }), /program: the process ended/);
  assert.equal(startProcess(plan, { command: ['sleep', '60'] }), true);
  assert.notEqual(runningProcess(plan)!.pid, first.pid);
});

test("runningProcess() does not take another process for one's own", () => {
  for (const text of [
    JSON.stringify({ pid: process.pid, startTime: '1' }),
    '{"pid":1,"startTime":"0"}',
    '{',
    '{}',
    '',
  ]) {
    writeFileSync(plan.pidFile, text);
    assert.equal(runningProcess(plan), undefined, text);
  }
});

test('waitFor() shows the end of the log of a process that failed', async () => {
  startProcess(plan, { command: ['sh', '-c', 'echo it went wrong; exit 1'] });
  await assert.rejects(waitFor({ ...wait, check: () => false }), /Last lines of .*log:\n(.*\n)* {2}it went wrong/);
});

test('waitFor() resolves once all is there', async () => {
  startProcess(plan, { command: ['sleep', '60'] });
  let asked = 0;
  await waitFor({ ...wait, check: () => ++asked === 3 });
  assert.equal(asked, 3);
});

test('logTail() of a log that is not there says so', () => {
  assert.match(logTail(join(directory, 'none')), /no log at/);
});

test('listenForChild() gives a descriptor, and names a port that is taken', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as { port: number };
  await assert.rejects(
    listenForChild(port),
    new RegExp(`port ${port} of 127.0.0.1 is taken: choose another with --port`),
  );
  await new Promise((resolve) => holder.close(resolve));
  const socket = await listenForChild(port);
  assert.ok(socket.fd > 2);
  socket.close();
});
