import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { duplicateFields } from './duplicate-keys.ts';

const ROWS: [string, string[]][] = [
  ['{"a":1,"b":2}', []],
  ['{"a":1,"a":2}', ['a']],
  ['{"spec":{"x":[{"n":1},{"n":1, "n" :2}]}}', ['spec.x[1].n']],
  ['{"a":"a","b":"a:","c":{"a":"\\"a\\":"}}', []],
  ['{"\\u0061":1,"a":2}', ['a']],
  ['{"a\\\\":1,"a\\\\":2}', ['a\\']],
  ['[1,"a","a"]', []],
];

for (const [json, paths] of ROWS) {
  test(`duplicateFields: ${json}`, () => {
    assert.deepEqual(
      duplicateFields(json),
      paths.map((path) => `duplicate field ${JSON.stringify(path)}`),
    );
  });
}

test('duplicateFields finds none where there is none', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(2), (value, indent) => {
      assert.deepEqual(duplicateFields(JSON.stringify(value, undefined, indent)), []);
    }),
  );
});
