import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addAmounts, canonicalQuantity, formatAmount, parseQuantity, toAmount } from './quantity.ts';

const ROWS: [unknown, string][] = [
  ['1000m', '1'],
  ['1', '1'],
  ['0.5', '500m'],
  ['1.5', '1500m'],
  ['1500m', '1500m'],
  ['100m', '100m'],
  ['.25', '250m'],
  ['1.', '1'],
  ['+2', '2'],
  ['-1000m', '-1'],
  ['0', '0'],
  ['0.0Ki', '0'],
  ['000', '0'],
  ['1000', '1k'],
  ['1024', '1024'],
  ['2000k', '2M'],
  ['1Gi', '1Gi'],
  ['1024Mi', '1Gi'],
  ['1000Mi', '1000Mi'],
  ['1.5Gi', '1536Mi'],
  ['0.5Ki', '512'],
  ['512Ki', '512Ki'],
  ['0.5Mi', '512Ki'],
  ['1e3', '1e3'],
  ['1E3', '1e3'],
  ['12e2', '1200'],
  ['1e-3', '1e-3'],
  ['5u', '5u'],
  ['0.0000000001', '1n'],
  ['64G', '64G'],
  ['1E', '1E'],
  [2, '2'],
  [0.1, '100m'],
  [null, '0'],
  ['lots', 'lots'],
  ['', ''],
  ['.', '.'],
];

for (const [sent, stored] of ROWS) {
  test(`canonicalQuantity: ${JSON.stringify(sent)} is stored as ${stored}`, () => {
    assert.equal(canonicalQuantity(sent), stored);
  });
}

test('canonicalQuantity keeps the value, and is its own canonical form', () => {
  const suffix = fc.constantFrom('m', '', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e2', 'e-2');
  fc.assert(
    fc.property(fc.nat(), suffix, (digits, unit) => {
      const stored = canonicalQuantity(`${digits}${unit}`) as string;
      assert.equal(canonicalQuantity(stored), stored);
      const [before, after] = [parseQuantity(`${digits}${unit}`)!, parseQuantity(stored)!];
      assert.ok(Math.abs(before - after) <= Math.abs(before) * 1e-12, `${digits}${unit} became ${stored}`);
    }),
  );
});

const SUMS: [string, string, string][] = [
  ['100m', '900m', '1'],
  ['1Gi', '512Mi', '1536Mi'],
  ['0', '1Gi', '1Gi'],
  ['1G', '1Gi', '2073741824'],
  ['1', '-2', '-1'],
  ['3', '-3', '0'],
];

for (const [a, b, sum] of SUMS) {
  test(`addAmounts: ${a} and ${b} are ${sum}`, () => {
    assert.equal(formatAmount(addAmounts(toAmount(a), toAmount(b))), sum);
  });
}
