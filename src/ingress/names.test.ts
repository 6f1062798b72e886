import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../testing/clock.ts';
import { Names, type Resolution } from './names.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function world(answers: Record<string, Resolution | undefined>) {
  const clock = new FakeClock();
  const asked: string[] = [];
  let changes = 0;
  const names = new Names({
    resolve: async (name) => {
      asked.push(name);
      const answer = answers[name];
      if (!answer) throw new Error('SERVFAIL');
      return answer;
    },
    onChange: () => changes++,
    clock,
    signal: new AbortController().signal,
  });
  return { clock, asked, names, changes: () => changes };
}

test('names are resolved in the background, again when their time is over, and forgotten when nobody asks', async () => {
  const answers: Record<string, Resolution | undefined> = {
    a: { addresses: ['10.0.0.2', '10.0.0.1'], ttlSeconds: 10 },
  };
  const { clock, asked, names, changes } = world(answers);
  assert.deepEqual(names.lookup('a'), []);
  await turn();
  assert.deepEqual([names.lookup('a'), changes()], [['10.0.0.1', '10.0.0.2'], 1]);
  clock.advance(9_999);
  await turn();
  assert.equal(asked.length, 1);
  answers['a'] = undefined;
  clock.advance(1);
  await turn();
  // The server is silent: what was known stays.
  assert.deepEqual([asked.length, names.lookup('a')], [2, ['10.0.0.1', '10.0.0.2']]);
  answers['a'] = { addresses: ['10.0.0.3'], ttlSeconds: 3600 };
  clock.advance(5_000);
  await turn();
  assert.deepEqual(names.lookup('a'), ['10.0.0.3']);
  clock.advance(60_000);
  await turn();
  clock.advance(60_000);
  await turn();
  assert.deepEqual([asked.length, clock.pending], [4, 0]);
  assert.deepEqual(names.lookup('a'), []);
});
