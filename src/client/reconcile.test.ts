import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../lib/log.ts';
import { FakeClock, turn } from '../testing/clock.ts';
import { type Reconcile, startController, Terminal } from './reconcile.ts';

function start(reconcile: Reconcile, workers = 4) {
  const clock = new FakeClock();
  const abort = new AbortController();
  const controller = startController({
    name: 'test',
    reconcile,
    workers,
    clock,
    random: () => 0.5,
    log: silentLogger,
    signal: abort.signal,
  });
  return { controller, clock, abort };
}

test('startController() folds a burst of the same key', async () => {
  const runs: string[] = [];
  const { controller } = start(async (key) => void runs.push(key));
  for (const key of ['a', 'b', 'a', 'a', 'b']) controller.enqueue(key);
  await controller.idle();
  assert.deepEqual(runs, ['a', 'b']);
});

test('startController() never works on one key twice at once, and looks again when it came meanwhile', async () => {
  let running = 0;
  let most = 0;
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const { controller } = start(async () => {
    most = Math.max(most, ++running);
    runs++;
    await gate.promise;
    running--;
  });
  controller.enqueue('a');
  await turn();
  await turn();
  controller.enqueue('a');
  controller.enqueue('a');
  await turn();
  gate.resolve();
  await controller.idle();
  assert.deepEqual({ most, runs }, { most: 1, runs: 2 });
});

test('startController() bounds its workers', async () => {
  let running = 0;
  let most = 0;
  const { controller } = start(async () => {
    most = Math.max(most, ++running);
    await turn();
    running--;
  }, 2);
  for (const key of ['a', 'b', 'c', 'd', 'e']) controller.enqueue(key);
  await controller.idle();
  assert.equal(most, 2);
});

test('startController() tries again with longer and longer pauses, and forgets them after a success', async () => {
  let failures = 3;
  const at: number[] = [];
  const { controller, clock } = start(async () => {
    at.push(clock.now());
    if (failures-- > 0) throw new Error('not yet');
  });
  controller.enqueue('a');
  for (let i = 0; i < 200; i++) {
    await turn();
    clock.advance(1);
  }
  const pauses = at.slice(1).map((time, index) => time - at[index]!);
  assert.equal(pauses.length, 3);
  assert.ok(pauses[0]! < pauses[1]! && pauses[1]! < pauses[2]!, pauses.join());
  assert.equal(clock.pending, 0);
});

test('startController() gives up on a Terminal error, and comes back when asked to', async () => {
  const outcomes: (() => Promise<{ again: number }>)[] = [
    () => Promise.reject(new Terminal('never')),
    async () => ({ again: 50 }),
  ];
  let runs = 0;
  const { controller, clock } = start(async () => outcomes[Math.min(runs++, 1)]!());
  controller.enqueue('a');
  await controller.idle();
  assert.deepEqual([runs, clock.pending], [1, 0]);
  controller.enqueue('a');
  await controller.idle();
  clock.advance(49);
  await controller.idle();
  assert.equal(runs, 2);
  clock.advance(1);
  await turn();
  await controller.idle();
  assert.equal(runs, 3);
});

test('startController() stops with its signal', async () => {
  let runs = 0;
  const { controller, clock, abort } = start(async () => void runs++);
  controller.enqueueAfter('a', 10);
  abort.abort();
  clock.advance(20);
  controller.enqueue('b');
  await turn();
  assert.deepEqual([runs, clock.pending], [0, 0]);
});
