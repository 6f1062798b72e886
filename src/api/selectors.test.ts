import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from './errors.ts';
import {
  formatLabelSelector,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  selects,
  selectsByMap,
} from './selectors.ts';

const LABELS = { app: 'web', tier: 'front', 'example.com/zone': 'a', empty: '' };

test('parseLabelSelector and matchesLabels agree with what kubectl users write', () => {
  const rows: [string, boolean][] = [
    ['', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app=db', false],
    ['app!=db', true],
    ['missing!=x', true],
    ['app in (db,web)', true],
    ['app in ( web , db )', true],
    ['app in (db)', false],
    ['app notin (db,cache)', true],
    ['missing notin (db)', true],
    ['app', true],
    ['missing', false],
    ['!missing', true],
    ['! app', false],
    ['empty=', true],
    ['example.com/zone=a', true],
    ['app=web,tier=front,!missing', true],
    ['app in (web,db),tier notin (back)', true],
    ['app=web,tier=back', false],
  ];
  for (const [text, expected] of rows) {
    assert.equal(matchesLabels(parseLabelSelector(text), LABELS), expected, text);
  }
});

test('parseLabelSelector refuses what cannot be read', () => {
  for (const text of ['a=b=c', 'a in web', 'a in (b', '=a', 'a,,b', ',', 'a b', '-a=b', 'a=b!']) {
    assert.throws(
      () => parseLabelSelector(text),
      (error) => error instanceof ApiError && error.code === 400 && /unable to parse requirement/.test(error.message),
      text,
    );
  }
});

test('selects: an empty selector takes everything, an absent one nothing', () => {
  assert.equal(selects({}, {}), true);
  assert.equal(selects(undefined, LABELS), false);
  assert.equal(selects({ matchLabels: { app: 'web' } }, LABELS), true);
  assert.equal(selects({ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, LABELS), false);
  assert.equal(selectsByMap({}, LABELS), false);
  assert.equal(selectsByMap({ app: 'web', tier: 'front' }, LABELS), true);
  assert.equal(selectsByMap({ toString: 'x' }, LABELS), false);
});

test('formatLabelSelector writes what parseLabelSelector reads', () => {
  const selector = {
    matchLabels: { b: '2', a: '1' },
    matchExpressions: [
      { key: 'c', operator: 'In', values: ['y', 'x'] },
      { key: 'd', operator: 'DoesNotExist' },
      { key: 'e', operator: 'Exists' },
    ],
  };
  const text = formatLabelSelector(selector);
  assert.equal(text, '!d,a=1,b=2,c in (x,y),e');
  assert.equal(matchesLabels(parseLabelSelector(text), { a: '1', b: '2', c: 'x', e: '' }), true);
  assert.equal(formatLabelSelector(undefined), '');
});

test('parseFieldSelector reads paths, negation and escapes', () => {
  assert.deepEqual(parseFieldSelector('spec.nodeName=a,status.phase!=Failed,x==a\\,b'), [
    { path: 'spec.nodeName', value: 'a', negated: false },
    { path: 'status.phase', value: 'Failed', negated: true },
    { path: 'x', value: 'a,b', negated: false },
  ]);
  assert.deepEqual(parseFieldSelector(''), []);
  assert.throws(() => parseFieldSelector('nothing'), /invalid selector: 'nothing'; can't understand 'nothing'/);
});
