import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstFew } from './columns.ts';
import { age, humanDuration } from './duration.ts';
import { parseQuantity } from './quantity.ts';

const [S, M, H, D] = [1000, 60_000, 3_600_000, 86_400_000];

test('humanDuration is the AGE column of kubectl', () => {
  const rows: [number, string][] = [
    [-2 * S, '<invalid>'],
    [-1, '0s'],
    [119 * S, '119s'],
    [2 * M, '2m'],
    [9 * M + 59 * S, '9m59s'],
    [10 * M + 5 * S, '10m'],
    [179 * M, '179m'],
    [3 * H + 5 * M, '3h5m'],
    [8 * H + 5 * M, '8h'],
    [47 * H, '47h'],
    [2 * D, '2d'],
    [7 * D + 23 * H, '7d23h'],
    [8 * D + H, '8d'],
    [729 * D, '729d'],
    [730 * D, '2y'],
    [3 * 365 * D + 4 * D, '3y4d'],
    [9 * 365 * D + D, '9y'],
  ];
  for (const [durationMs, text] of rows) assert.equal(humanDuration(durationMs), text);
  assert.equal(age(undefined, 0), '<unknown>');
  assert.equal(age('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:00:45Z')), '45s');
});

test('parseQuantity reads all suffixes', () => {
  const rows: [string, number | undefined][] = [
    ['100m', 0.1],
    ['1', 1],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['64Mi', 64 * 2 ** 20],
    ['2k', 2000],
    ['1e3', 1000],
    ['1E', 1e18],
    ['.5', 0.5],
    ['', undefined],
    ['1 Gi', undefined],
    ['1gi', undefined],
    ['Mi', undefined],
  ];
  for (const [text, value] of rows) assert.equal(parseQuantity(text), value, text);
});

test('firstFew cuts long lists', () => {
  const options = { count: 3, none: '<none>' };
  assert.equal(firstFew([], options), '<none>');
  assert.equal(firstFew(['a', 'b', 'c'], options), 'a,b,c');
  assert.equal(firstFew(['a', 'b', 'c', 'd', 'e'], options), 'a,b,c + 2 more...');
});
