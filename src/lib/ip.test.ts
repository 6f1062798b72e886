import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cidrAddress, cidrContains, cidrSize, formatCidr, formatIp, parseCidr, parseIp, subnet } from './ip.ts';

test('parseIp() and formatIp() keep canonical forms', () => {
  for (const text of ['0.0.0.0', '10.96.0.1', '255.255.255.255', '::', '::1', 'fd00:10:96::a', '2001:db8::1:0:0:1']) {
    const ip = parseIp(text);
    assert.ok(ip, text);
    assert.equal(formatIp(ip), text);
  }
});

test('formatIp() writes IPv6 as RFC 5952 asks', () => {
  const rows = [
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
    ['100:0:0:10:0:0:0:0', '100:0:0:10::'],
  ] as const;
  for (const [text, canonical] of rows) assert.equal(formatIp(parseIp(text)!), canonical);
});

test('parseIp() refuses what is not an address', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.0.0.1',
    '1:::2',
    '1::2::3',
    'g::',
    '1:2:3:4:5:6:7',
    'a.b.c.d',
  ])
    assert.equal(parseIp(text), undefined, text);
});

test('parseCidr() clears host bits and refuses bad prefixes', () => {
  assert.equal(formatCidr(parseCidr('10.244.3.7/16')!), '10.244.0.0/16');
  assert.equal(formatCidr(parseCidr('fd00::1/64')!), 'fd00::/64');
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', '::/129', '10.0.0.0/8/8'])
    assert.equal(parseCidr(text), undefined, text);
});

test('cidr arithmetic', () => {
  const cidr = parseCidr('10.244.0.0/16')!;
  assert.equal(cidrSize(cidr), 65536n);
  assert.equal(formatIp(cidrAddress(cidr, 10)), '10.244.0.10');
  assert.equal(formatCidr(subnet(cidr, 24, 3)), '10.244.3.0/24');
  assert.ok(cidrContains(cidr, parseIp('10.244.255.255')!));
  assert.ok(!cidrContains(cidr, parseIp('10.245.0.0')!));
  assert.ok(!cidrContains(cidr, parseIp('::a')!));
});
