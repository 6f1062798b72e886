import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../lib/ip.ts';
import { dashedAddress, firstLabel, keyText, nameKey, parentKey, reverseName } from './name.ts';

test('nameKey() folds case and puts lengths before labels', () => {
  assert.equal(nameKey('Web.Default'), '\x03web\x07default');
  assert.equal(nameKey('web.default.'), '\x03web\x07default');
  assert.equal(nameKey('.'), '');
  assert.equal(nameKey(''), '');
});

test('nameKey() refuses what cannot stand on the wire', () => {
  const long = Array.from({ length: 32 }, () => 'abcdefg').join('.');
  for (const name of ['a..b', '.a', 'x'.repeat(64), `${long}`, '\u0416']) assert.equal(nameKey(name), undefined, name);
  assert.ok(nameKey('x'.repeat(63)));
});

test('a key goes up to the root label by label and back to text', () => {
  const key = nameKey('web.default.svc')!;
  assert.equal(firstLabel(key), 'web');
  assert.equal(keyText(parentKey(key)!), 'default.svc');
  assert.equal(parentKey(parentKey(parentKey(key)!)!), '');
  assert.equal(parentKey(''), undefined);
  assert.equal(keyText('\x03a.b\x01\x00'), 'a\\046b.\\000');
});

test('reverseName() and dashedAddress() for both families', () => {
  assert.equal(reverseName(parseIp('10.96.0.1')!), '1.0.96.10.in-addr.arpa');
  assert.equal(reverseName(parseIp('fd00::a')!), `a.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`);
  assert.equal(dashedAddress('10.244.1.5'), '10-244-1-5');
  assert.equal(dashedAddress('fd00::1'), 'fd00--1');
});
