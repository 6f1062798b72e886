import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLmdbStore } from '../store/lmdb.ts';
import { startTestServer } from '../testing/server.ts';

const ANSWERED = 400;
const PATH = '/api/v1/namespaces/default/configmaps';

test('after kill -9 every answered write of the API is there, and nothing is half there', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sampan-api-kill-'));
  const fixture = new URL('./kill.fixture.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [fixture, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += chunk;
    if (text.split('\n').length > ANSWERED && !child.killed) child.kill('SIGKILL');
  }
  if (child.signalCode === null) await once(child, 'exit');
  const answers = text.slice(0, text.lastIndexOf('\n')).split('\n');
  const last = new Map(answers.map((line) => line.split(' ') as [string, string]));
  const store = await openLmdbStore({ directory });
  const { request } = await startTestServer({ store });
  assert.equal(child.signalCode, 'SIGKILL');
  assert.ok(answers.length >= ANSWERED);
  for (const [name, state] of last) {
    const { status, body } = await request('GET', `${PATH}/${name}`);
    // What was under way when the process ended may have come through, or not.
    const next = state === '1' ? ['1', '2', 'gone'] : [state];
    assert.ok(next.includes(status === 404 ? 'gone' : body.data.v), `${name}: ${state}, found ${status}`);
  }
  const { items } = (await request('GET', PATH)).body;
  assert.ok(items.every((item: { data?: { v?: string } }) => item.data?.v));
  await store.close();
  await rm(directory, { recursive: true });
});
