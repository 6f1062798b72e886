import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { captureFrom, expand, fill, fillPattern, parseWalkthrough, problemsOf } from './walkthrough.ts';

const captures = new Map([
  ['POD', ['web-1', 'web-2']],
  ['IP', ['10.0.0.1']],
]);

test('fill() puts captured values into holes and leaves other braces', () => {
  const rows = [
    ['get {POD}', 'get web-1'],
    ['get {POD#2} {IP}', 'get web-2 10.0.0.1'],
    ["-o jsonpath='{.items[0]}' {a}", "-o jsonpath='{.items[0]}' {a}"],
  ] as const;
  for (const [text, filled] of rows) assert.equal(fill(text, captures), filled);
});

test('fill() refuses a name that was not captured', () => {
  assert.throws(() => fill('{NODE}', captures), /no value number 1 was captured for NODE/);
  assert.throws(() => fill('{POD#3}', captures), /number 3 .* POD/);
});

test('fillPattern() takes captured values literally', () => {
  assert.match('10.0.0.1', fillPattern('^{IP}$', captures));
  assert.doesNotMatch('10.0.001', fillPattern('^{IP}$', captures));
});

test('problemsOf() tells what is missing and what is too much', () => {
  const step = { run: '', expect: ['^a$', '{IP}'], reject: ['b'] };
  assert.deepEqual(problemsOf(step, 'a\n10.0.0.1', captures), []);
  assert.deepEqual(problemsOf(step, 'b', captures), [
    'expected to match ^a$',
    'expected to match {IP}',
    'expected not to match b',
  ]);
});

test('captureFrom() keeps all values, and what was captured before', () => {
  const step = { run: '', capture: { NAME: '^\\w+', PORT: ':(\\d+)' } };
  const found = captureFrom(step, 'one:1\ntwo:2', captures);
  assert.deepEqual(found.get('NAME'), ['one', 'two']);
  assert.deepEqual(found.get('PORT'), ['1', '2']);
  assert.deepEqual(found.get('IP'), ['10.0.0.1']);
});

test('expand() goes through each value of a name', () => {
  assert.deepEqual(
    expand({ run: '', each: 'POD' }, captures).map((one) => fill('{POD} {IP}', one)),
    ['web-1 10.0.0.1', 'web-2 10.0.0.1'],
  );
  assert.deepEqual(expand({ run: '', each: 'NONE' }, captures), []);
});

test('parseWalkthrough() refuses unknown keys and steps without a command', () => {
  assert.throws(() => parseWalkthrough('title: x\nsteps:\n  - run: a\n    expects: [b]'), /step 1/);
  assert.throws(() => parseWalkthrough('title: x\nsteps:\n  - say: a'), /step 1/);
  assert.throws(() => parseWalkthrough('steps: []'), /expected a title/);
});

test('every pattern of the walkthroughs is a regular expression', () => {
  const file = join(import.meta.dirname, '../../examples/walkthroughs/connecting-applications.yaml');
  const { steps } = parseWalkthrough(readFileSync(file, 'utf8'));
  assert.ok(steps.length > 20);
  for (const step of steps)
    for (const pattern of [...(step.expect ?? []), ...(step.reject ?? []), ...Object.values(step.capture ?? {})])
      assert.doesNotThrow(() => new RegExp(pattern.replaceAll(/\{[A-Z_#\d]+\}/g, 'x'), 'm'), pattern);
});
