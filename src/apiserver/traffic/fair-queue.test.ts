import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../testing/clock.ts';
import { FairQueue } from './fair-queue.ts';

const never = new AbortController().signal;

function setUp(options: Partial<ConstructorParameters<typeof FairQueue>[0]> = {}) {
  const clock = new FakeClock();
  const counts: number[] = [];
  const queue = new FairQueue({
    clock,
    limit: 1,
    queueLength: 2,
    waitMs: 1000,
    onChange: (n) => counts.push(n),
    ...options,
  });
  const order: string[] = [];
  const enter = async (flow: string, signal = never) => {
    const release = await queue.enter(flow, signal);
    order.push(release ? flow : `${flow} refused`);
    return release;
  };
  return { clock, queue, counts, order, enter };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('free places go to the flows in turn', async () => {
  const { enter, order, counts } = setUp();
  const first = await enter('a');
  const waiting = [enter('greedy'), enter('greedy'), enter('modest')];
  first?.();
  for (const each of waiting.values()) ((await Promise.race([each, settle()])) as (() => void) | undefined)?.();
  await settle();
  (await waiting[0])?.();
  (await waiting[2])?.();
  (await waiting[1])?.();
  assert.deepEqual(order, ['a', 'greedy', 'modest', 'greedy']);
  assert.equal(counts.at(-1), 0);
});

test('a full queue, a long wait and a client that goes are refused; a place is given back once', async () => {
  const { enter, order, clock, counts } = setUp();
  const first = await enter('a');
  const gone = new AbortController();
  const all = [enter('b', gone.signal), enter('b'), enter('b')];
  await settle();
  assert.deepEqual(order, ['a', 'b refused']);
  gone.abort();
  clock.advance(1000);
  await Promise.all(all);
  assert.deepEqual(order, ['a', 'b refused', 'b refused', 'b refused']);
  first?.();
  first?.();
  assert.deepEqual(counts, [1, 0]);
  assert.ok(await enter('b'));
});
