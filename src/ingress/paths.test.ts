import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodePath, prefixOf, rewritePath } from './paths.ts';

test('encodePath() writes paths as requests carry them', () => {
  const rows = [
    ['/a/b', '/a/b'],
    ['/we ird;x', '/we%20ird;x'],
    ['/%7Euser/%2f', '/~user/%2F'],
    ['/100%', '/100%25'],
    ['/café', '/caf%C3%A9'],
    ['/a\nb|c"d', '/a%0Ab%7Cc%22d'],
  ] as const;
  for (const [path, expected] of rows) assert.equal(encodePath(path), expected);
});

test('encodePath() lets only characters of a path through, and encodes once', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const encoded = encodePath(`/${text}`);
      assert.match(encoded, /^[A-Za-z0-9\-._~!$&'()*+,;=:@/%]+$/);
      assert.equal(encodePath(encoded), encoded);
    }),
  );
});

test('prefixOf() knows no slash at the end', () => {
  assert.deepEqual(['/', '/a/', '/a/b//'].map(prefixOf), ['', '/a', '/a/b']);
});

test('rewritePath() understands the well-known forms', () => {
  const rows: [string, string | undefined, unknown][] = [
    ['/app', undefined, { path: '/app' }],
    ['/', '/app', { path: '/', rewrite: { kind: 'whole', path: '/app' } }],
    ['/app(/|$)(.*)', '/$2', { path: '/app', rewrite: { kind: 'prefix', segments: 1, prefix: '' } }],
    ['/a/b/?(.*)', '/x/$1', { path: '/a/b', rewrite: { kind: 'prefix', segments: 2, prefix: '/x' } }],
    ['/(.*)', '/x/$1', { path: '/', rewrite: { kind: 'prefix', segments: 0, prefix: '/x' } }],
    ['/app(/.*)?', undefined, { path: '/app' }],
  ];
  for (const [path, target, expected] of rows) assert.deepEqual(rewritePath(path, target), expected, path);
});

test('rewritePath() refuses what would need a regular expression', () => {
  const rows: [string, string | undefined, RegExp][] = [
    ['/a[0-9]+(/|$)(.*)', '/$2', /pattern that is not understood/],
    ['/a.*', '/b', /pattern that is not understood/],
    ['/app(/|$)(.*)', '/$1', /only a path that ends in "\/\$2"/],
    ['/app(/|$)(.*)', '/$2/more', /is not understood/],
    ['/app', 'https://elsewhere', /must be an absolute path/],
    ['/1/2/3/4/5/6/7/8/9(/|$)(.*)', '/$2', /8 parts at most/],
  ];
  for (const [path, target, message] of rows) assert.throws(() => rewritePath(path, target), message, path);
});
