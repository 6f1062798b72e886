import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SortedKeys } from './sorted-keys.ts';

test('SortedKeys holds what a sorted array would', () => {
  const key = fc.tuple(fc.constantFrom('/a/', '/b/', '/b/c/'), fc.nat(3000)).map(([prefix, i]) => `${prefix}${i}`);
  const operation = fc.tuple(fc.constantFrom('add', 'delete'), key);
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 4000, size: 'max' }), fc.option(key), (operations, after) => {
      const keys = new SortedKeys();
      const model = new Set<string>();
      for (const [what, which] of operations) {
        if (what === 'add' && !model.has(which)) keys.add(which);
        if (what === 'delete') keys.delete(which);
        if (what === 'add') model.add(which);
        else model.delete(which);
      }
      for (const prefix of ['/', '/a/', '/b/', '/b/c/', '/c/', '/b/c/1']) {
        const inOrder = [...model].filter((which) => which.startsWith(prefix)).sort();
        assert.deepEqual(keys.range(prefix), inOrder);
        assert.equal(keys.count(prefix), inOrder.length);
        const rest = after === null ? inOrder : inOrder.filter((which) => which > after);
        assert.deepEqual(keys.range(prefix, after ?? undefined), rest);
      }
    }),
    { numRuns: 20 },
  );
});

test('SortedKeys takes keys in order, and keys in the middle', () => {
  const keys = new SortedKeys();
  for (let i = 0; i < 2000; i += 2) keys.add(String(10_000 + i));
  for (let i = 1; i < 2000; i += 2) keys.add(String(10_000 + i));
  assert.deepEqual(
    keys.range('1'),
    Array.from({ length: 2000 }, (_, i) => String(10_000 + i)),
  );
});
