import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rewriteOptionals } from './optional.ts';
import { compileCel, toCel } from './program.ts';

const object = {
  metadata: { name: 'x', labels: { 'a.?b': 'c' } },
  spec: { replicas: 3, list: [{ n: 1 }, { n: 2 }], zero: 0 },
};

const ROWS: [string, unknown][] = [
  ['object.?spec.?foo.orValue(3) == 3', true],
  ['object.?spec.replicas.value() == 3', true],
  ['object.?spec.list[1].n.orValue(0) == 2', true],
  ['object.?spec.list[5].n.hasValue()', false],
  ["object[?'spec'].hasValue() && object.spec.replicas == 3", true],
  ["object.metadata.?labels[?'a.?b'].orValue('') == 'c'", true],
  ['optional.of(1).value() == 1 && !optional.none().hasValue()', true],
  ['object.spec.list.all(c, c.?m.orValue(7) == 7 && c.n > 0)', true],
  ['optional.ofNonZeroValue(object.spec.zero).hasValue()', false],
  ['object.?a.or(object.?spec).hasValue()', true],
  ["object.?metadata.?name.orValue('').startsWith('x') ? object.spec.replicas : 0", 3],
  ['[1, 2][0] + object.?spec.?zero.orValue(5)', 1],
];

for (const [expression, expected] of ROWS) {
  test(`optional values: ${expression}`, () => {
    assert.deepEqual(compileCel(expression, ['object']).run({ object: toCel(object) }), { value: expected });
  });
}

test('optional values: an absent one has none', () => {
  const run = (expression: string) => compileCel(expression, ['object']).run({ object: toCel(object) });
  assert.deepEqual(run('object.?missing.value()'), { error: 'optional.none() dereference' });
});

const SAME = ['a.b[0] == "x.?y"', 'a ? b : c // .? in words', 'r"\\.?" == a', 'a.all(x, x.y)'];

test('rewriteOptionals: texts and comments stay as they are', () => {
  for (const expression of SAME) assert.equal(rewriteOptionals(expression), expression);
});
