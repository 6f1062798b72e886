import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Deployment, ReplicaSet } from '../../api/types.ts';
import { isScaling, planRollout, planScaling, rollingLimits } from './plan.ts';

interface SetFacts {
  size: number;
  available?: number;
  /** The Deployment's size that the set was last scaled for, and that with surge. */
  desired?: number;
  max?: number;
}

let created = 0;

function set(name: string, { size, available = size, desired, max }: SetFacts): ReplicaSet {
  const annotations = {
    ...(desired === undefined ? {} : { 'deployment.kubernetes.io/desired-replicas': String(desired) }),
    ...(max === undefined ? {} : { 'deployment.kubernetes.io/max-replicas': String(max) }),
  };
  const creationTimestamp = new Date(Date.UTC(2026, 0, 1) + created++ * 1000).toISOString();
  return {
    metadata: { name, annotations, creationTimestamp },
    spec: { replicas: size },
    status: { replicas: size, availableReplicas: available },
  } as unknown as ReplicaSet;
}

function deployment(replicas: number, rolling: object = {}, more: object = {}): Deployment {
  const strategy = { type: 'RollingUpdate', rollingUpdate: rolling };
  return { metadata: { name: 'web' }, spec: { replicas, strategy, ...more } } as unknown as Deployment;
}

function sizes(plan: readonly { set: ReplicaSet; replicas: number }[]): Record<string, number> {
  return Object.fromEntries(plan.map((resize) => [resize.set.metadata.name, resize.replicas]));
}

test('rollingLimits() rounds surge up and unavailable down, and never lets both be none', () => {
  const rows: [number, object, number, number][] = [
    [10, {}, 3, 2],
    [4, { maxSurge: 1, maxUnavailable: 0 }, 1, 0],
    [3, { maxSurge: 0, maxUnavailable: '10%' }, 0, 1],
    [1, { maxSurge: '100%', maxUnavailable: 5 }, 1, 1],
    [0, {}, 0, 0],
  ];
  for (const [replicas, rolling, maxSurge, maxUnavailable] of rows) {
    assert.deepEqual(rollingLimits(deployment(replicas, rolling)), { maxSurge, maxUnavailable });
  }
});

test('planScaling() shares a new size among the sets of a rollout in progress', () => {
  const absolute = { maxSurge: 3, maxUnavailable: 2 };
  const current = set('new', { size: 5, desired: 10, max: 13 });
  const old = set('old', { size: 8, desired: 10, max: 13 });
  const scaled = (replicas: number) => sizes(planScaling(deployment(replicas, absolute), { current, others: [old] }));
  // The documentation's own example: 10 → 15 while 8 are old and 5 new.
  assert.deepEqual(scaled(15), { old: 11, new: 7 });
  assert.deepEqual(scaled(5), { old: 5, new: 3 });
  assert.deepEqual(scaled(0), { old: 0, new: 0 });
  assert.ok(isScaling(deployment(15, absolute), { current, others: [old] }));
  assert.ok(!isScaling(deployment(10, absolute), { current, others: [old] }));
});

test('planScaling() scales the only active set, and empties old ones when the newest is there', () => {
  const current = set('new', { size: 0, desired: 3 });
  const old = set('old', { size: 3, desired: 3 });
  assert.deepEqual(sizes(planScaling(deployment(5), { current, others: [old] })), { old: 5 });
  const full = set('full', { size: 3, desired: 3 });
  assert.deepEqual(sizes(planScaling(deployment(3), { current: full, others: [old] })), { old: 0 });
});

test('planRollout() grows first, then takes what is not available, then what may go', () => {
  const four = deployment(4, { maxSurge: 1, maxUnavailable: 1 });
  const old = set('old', { size: 4 });
  assert.equal(planRollout(four, { current: undefined, others: [old] }, 4).create, 1);
  const started = set('new', { size: 1, available: 0 });
  assert.deepEqual(sizes(planRollout(four, { current: started, others: [old] }, 4).resize), { old: 3 });
  const broken = set('older', { size: 2, available: 0 });
  const half = set('half', { size: 2 });
  const plan = planRollout(four, { current: set('new', { size: 1 }), others: [broken, half] }, 4);
  assert.deepEqual(sizes(plan.resize), { older: 0, half: 2 });
});

test('planRollout() of Recreate starts nothing while an old pod runs', () => {
  const recreate = deployment(2, {}, { strategy: { type: 'Recreate' } });
  const old = set('old', { size: 2 });
  assert.deepEqual(sizes(planRollout(recreate, { current: undefined, others: [old] }, 2).resize), { old: 0 });
  const empty = set('old', { size: 0 });
  assert.deepEqual(planRollout(recreate, { current: undefined, others: [empty] }, 1), { resize: [] });
  assert.deepEqual(planRollout(recreate, { current: undefined, others: [empty] }, 0), { create: 2, resize: [] });
});

/** Sizes and how many of them are available. */
interface World {
  current: { size: number; available: number };
  old: { size: number; available: number };
}

function asSets(world: World) {
  return { current: set('new', world.current), others: [set('old', world.old)] };
}

test('no order of pods becoming available or failing lets a rollout exceed its surge or fall below its availability', () => {
  const moves = fc.array(fc.record({ which: fc.constantFrom('current', 'old'), up: fc.boolean() }), { maxLength: 60 });
  const amounts = fc.record({ maxSurge: fc.nat(4), maxUnavailable: fc.nat(4) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), amounts, moves, (replicas, rolling, steps) => {
      const wanted = deployment(replicas, rolling);
      const limits = rollingLimits(wanted);
      const world: World = { current: { size: 0, available: 0 }, old: { size: replicas, available: replicas } };
      for (const { which, up } of steps) {
        const before = world.current.available + world.old.available;
        for (const { set: resized, replicas: size } of planRollout(wanted, asSets(world), 0).resize) {
          const part = resized.metadata.name === 'new' ? world.current : world.old;
          // What is not available goes first, as victims() has it.
          if (size < part.size) part.available = Math.min(part.available, size);
          part.size = size;
        }
        const after = world.current.available + world.old.available;
        assert.ok(world.current.size + world.old.size <= replicas + limits.maxSurge);
        assert.ok(after === before || after >= replicas - limits.maxUnavailable);
        const part = world[which as 'current' | 'old'];
        part.available = Math.max(0, Math.min(part.size, part.available + (up ? 1 : -1)));
      }
    }),
  );
});

test('a rollout whose pods become available ends with the new template alone', () => {
  const amounts = fc.record({ maxSurge: fc.nat(4), maxUnavailable: fc.nat(4) });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 12 }), amounts, (replicas, rolling) => {
      const wanted = deployment(replicas, rolling);
      const world: World = { current: { size: 0, available: 0 }, old: { size: replicas, available: replicas } };
      for (let steps = 0; steps < 100; steps++) {
        for (const { set: resized, replicas: size } of planRollout(wanted, asSets(world), 0).resize) {
          world[resized.metadata.name === 'new' ? 'current' : 'old'] = { size, available: size };
        }
      }
      assert.deepEqual([world.current.size, world.old.size], [replicas, 0]);
    }),
  );
});
