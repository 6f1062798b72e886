import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestReport } from './test-report.ts';
import { selectStages, testStages } from './test-stages.ts';

function reportOf(events: readonly (readonly [string, object])[]) {
  let text = '';
  const report = new TestReport({ write: (more) => (text += more), root: '/p' });
  for (const [type, data] of events) report.add({ type, data });
  report.end();
  return { report, text };
}

const at = { file: '/p/src/a.test.ts', line: 3, nesting: 0 };

test('a report counts tests, not suites, and ends with the counts', () => {
  const { text } = reportOf([
    ['test:pass', { ...at, name: 'one' }],
    ['test:pass', { ...at, name: 'group', details: { type: 'suite' } }],
    ['test:pass', { ...at, name: 'two' }],
  ]);
  assert.equal(text, '2 passed, 0 failed\n');
});

test('a report shows where and how a test failed, once', () => {
  const { report, text } = reportOf([
    ['test:fail', { ...at, name: 'inner', details: { error: { failureType: 'testCodeFailure', cause: 'boom' } } }],
    ['test:fail', { ...at, name: 'outer', details: { error: { failureType: 'subtestsFailed' } } }],
  ]);
  assert.match(text, /^✗ src\/a\.test\.ts:3 inner\n {4}'boom'\n/);
  assert.match(text, /\n0 passed, 1 failed\n$/);
  assert.deepEqual(report.counts, { passed: 0, failed: 1, skipped: 0 });
});

test('a report lists what was skipped, with the reason', () => {
  const unexplained = true;
  const { text } = reportOf([
    ['test:pass', { ...at, name: 'root only', skip: 'needs root' }],
    ['test:pass', { ...at, name: 'later', skip: unexplained }],
    ['test:pass', { ...at, name: 'group', skip: 'no kernel', details: { type: 'suite' } }],
  ]);
  assert.equal(
    text,
    [
      'skipped: src/a.test.ts:3 root only: needs root',
      'skipped: src/a.test.ts:3 later',
      'skipped: src/a.test.ts:3 group: no kernel',
      '0 passed, 0 failed, 3 skipped',
      '',
    ].join('\n'),
  );
});

test('a program that fails counts as a test', () => {
  let text = '';
  const report = new TestReport({ write: (more) => (text += more), root: '/p' });
  report.check('types');
  report.check('lint', 'line 1\nline 2\n');
  assert.match(text, /✗ lint\n {4}line 1\n {4}line 2\n/);
  assert.deepEqual(report.counts, { passed: 1, failed: 1, skipped: 0 });
});

test('selectStages() knows all stages and names an unknown one', () => {
  assert.deepEqual(selectStages(undefined), testStages);
  assert.deepEqual(
    selectStages('e2e,unit').map((stage) => stage.name),
    ['e2e', 'unit'],
  );
  assert.throws(() => selectStages('unit,more'), /test stage more: expected check, unit, host, e2e/);
});
