import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compare } from './compare.ts';
import {
  difference,
  type FieldSet,
  intersection,
  isSame,
  parseFieldSet,
  pathsOf,
  sorted,
  union,
  withoutSubtrees,
} from './field-set.ts';
import { configErrors, mergeConfig } from './merge.ts';
import { pathsSetBy, withoutPaths } from './paths.ts';
import { structureOfObjects } from './schema-structure.ts';
import { DEDUCED } from './structure.ts';

/** Sets as their texts, which are what the algebra is about. */
const element = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:1');
const { set: anySet } = fc.letrec<{ set: FieldSet }>((tie) => ({
  set: fc.dictionary(element, fc.oneof({ maxDepth: 3 }, fc.constant({}), tie('set'), self(tie('set'))), {
    maxKeys: 3,
  }) as fc.Arbitrary<FieldSet>,
}));

function self(set: fc.Arbitrary<FieldSet>): fc.Arbitrary<FieldSet> {
  return set.map((node) => ({ '.': {}, ...node }));
}

test('sets behave as sets of paths', () => {
  fc.assert(
    fc.property(anySet, anySet, (a, b) => {
      const [inA, inB] = [pathsOf(a), pathsOf(b)];
      assert.deepEqual(new Set(pathsOf(union(a, b))), new Set([...inA, ...inB]));
      assert.deepEqual(
        pathsOf(difference(a, b)),
        inA.filter((path) => !inB.includes(path)),
      );
      assert.deepEqual(
        pathsOf(intersection(a, b)),
        inA.filter((path) => inB.includes(path)),
      );
      const covered = inA.filter((path) => !inB.some((other) => path === other || isBelow(path, other)));
      assert.deepEqual(pathsOf(withoutSubtrees(a, b)), covered);
      assert.ok(isSame(union(a, b), union(b, a)));
      assert.ok(isSame(parseFieldSet(JSON.parse(JSON.stringify(sorted(a))))!, a));
    }),
  );
});

function isBelow(path: string, other: string): boolean {
  return path.startsWith(other) && /^[.[]/.test(path.slice(other.length));
}

const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify({ root: value })) as object);

test('what nothing is known about is merged and compared all the same', () => {
  fc.assert(
    fc.property(json, json, (live, config) => {
      const merged = mergeConfig(live, config, DEDUCED) as object;
      assert.deepEqual(mergeConfig(merged, config, DEDUCED), merged);
      assert.deepEqual(compare(merged, merged, DEDUCED), { added: {}, modified: {}, removed: {} });
      const { added, removed } = compare(live, config, DEDUCED);
      const back = compare(config, live, DEDUCED);
      assert.deepEqual(new Set(pathsOf(added)), new Set(pathsOf(back.removed)));
      assert.deepEqual(new Set(pathsOf(removed)), new Set(pathsOf(back.added)));
    }),
  );
});

test('a value without all that it sets is nothing', () => {
  fc.assert(
    fc.property(json, (value) => {
      const left = withoutPaths(value, pathsSetBy(value, DEDUCED), DEDUCED);
      assert.ok(left === undefined || pathsOf(pathsSetBy(left, DEDUCED)).length === 0, JSON.stringify(left));
    }),
  );
});

const WIDGET = structureOfObjects({
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        size: { type: 'integer' },
        parts: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['port', 'kind'],
          items: { type: 'object', properties: { port: {}, kind: { type: 'string', default: 'bolt' }, note: {} } },
        },
        tags: { type: 'array', 'x-kubernetes-list-type': 'set' },
        words: { type: 'array', items: { type: 'string' } },
        colours: { type: 'object', additionalProperties: { type: 'string' } },
        place: { type: 'object', 'x-kubernetes-map-type': 'atomic', properties: { x: {} } },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  },
});

test('custom resources are owned as their schema says', () => {
  const spec = {
    size: 1,
    parts: [
      { port: 1, note: 'n' },
      { port: 1, kind: 'nut' },
    ],
    tags: ['a', 'b'],
    words: ['x'],
    colours: { sky: 'blue' },
    place: { x: 1 },
    free: { deep: { er: 1 } },
  };
  assert.deepEqual(pathsOf(pathsSetBy({ metadata: { labels: { a: 'b' } }, spec }, WIDGET)), [
    '.metadata.labels.a',
    '.spec.colours.sky',
    '.spec.free.deep',
    '.spec.free.deep.er',
    '.spec.parts[kind="bolt",port=1]',
    '.spec.parts[kind="bolt",port=1].note',
    '.spec.parts[kind="bolt",port=1].port',
    '.spec.parts[kind="nut",port=1]',
    '.spec.parts[kind="nut",port=1].kind',
    '.spec.parts[kind="nut",port=1].port',
    '.spec.place',
    '.spec.size',
    '.spec.tags[="a"]',
    '.spec.tags[="b"]',
    '.spec.words',
  ]);
  assert.deepEqual(configErrors({ spec: { sizes: 1, tags: ['a', 'a'], free: { any: 1 } } }, WIDGET), [
    '.spec.sizes: field not declared in schema',
    '.spec.tags: duplicate entries for key [="a"]',
  ]);
});

test('items that are merged keep the order of the configuration, others their place', () => {
  const rows: [string, string, string][] = [
    ['a b c', 'a b c', 'a b c'],
    ['a b c', 'c a', 'b c a'],
    ['a x b', 'b a', 'x b a'],
    ['a b', 'n a m b o', 'n a m b o'],
    ['x a y b z', 'b a', 'x y b z a'],
    ['', 'a b', 'a b'],
    ['a b', '', 'a b'],
  ];
  for (const [live, config, expected] of rows) {
    const of = (text: string) => ({ spec: { tags: text.split(' ').filter(Boolean) } });
    assert.deepEqual(mergeConfig(of(live), of(config), WIDGET), of(expected), `${live} with ${config}`);
  }
});
