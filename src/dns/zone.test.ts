import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TYPE } from './codes.ts';
import { nameKey } from './name.ts';
import type { DnsRecord } from './records.ts';
import { Zone } from './zone.ts';

function newZone(reverseCidrs: readonly string[] = []): Zone {
  return new Zone({ domain: 'cluster.local', reverseCidrs, ttlSeconds: 5 });
}

const a = (name: string, data: string): DnsRecord => ({ name: `${name}.cluster.local`, type: 'A', data });
const found = (zone: Zone, name: string) => zone.lookup(nameKey(`${name}.cluster.local`)!, TYPE.A).found;

test('Zone forgets names with their last record, and names above them', () => {
  const zone = newZone();
  const bare = zone.size;
  zone.set('one', { records: [a('x.y.z', '10.0.0.1')], names: ['q.z.cluster.local'] });
  zone.set('two', { records: [a('x.y.z', '10.0.0.2')] });
  assert.deepEqual([found(zone, 'x.y.z'), found(zone, 'y.z'), found(zone, 'q.z')], ['records', 'no-data', 'no-data']);
  zone.set('one');
  assert.deepEqual([found(zone, 'x.y.z'), found(zone, 'y.z'), found(zone, 'q.z')], ['records', 'no-data', 'no-name']);
  zone.set('two');
  assert.equal(zone.size, bare);
});

test('Zone keeps what several owners put at one name', () => {
  const zone = newZone();
  zone.set('one', { records: [a('x', '10.0.0.1')] });
  zone.set('two', { records: [a('x', '10.0.0.2')] });
  const count = () => {
    const lookup = zone.lookup(nameKey('x.cluster.local')!, TYPE.A);
    return lookup.found === 'records' ? lookup.prepared.answers.ends.length : 0;
  };
  assert.equal(count(), 2);
  zone.set('one', { records: [a('x', '10.0.0.3'), a('x', '10.0.0.4')] });
  assert.equal(count(), 3);
  zone.set('one', { records: [] });
  assert.equal(count(), 1);
});

test('Zone after any changes equals a zone built at once', () => {
  const labels = fc.constantFrom('a', 'b', 'a.b', 'c.a.b', 'd.c.a.b');
  const change = fc.record({
    owner: fc.constantFrom('one', 'two', 'three'),
    names: fc.option(fc.array(labels, { maxLength: 4 }), { nil: undefined }),
  });
  const property = fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
    const zone = newZone();
    const last = new Map<string, readonly string[]>();
    for (const { owner, names } of changes) {
      zone.set(
        owner,
        names && { records: names.map((name) => a(name, '10.0.0.1')), names: names.map((name) => `e.${name}`) },
      );
      if (names) last.set(owner, names);
      else last.delete(owner);
    }
    const fresh = newZone();
    for (const [owner, names] of last)
      fresh.set(owner, { records: names.map((name) => a(name, '10.0.0.1')), names: names.map((name) => `e.${name}`) });
    assert.equal(zone.size, fresh.size);
    for (const name of ['a', 'b', 'a.b', 'c.a.b', 'd.c.a.b']) assert.equal(found(zone, name), found(fresh, name));
  });
  fc.assert(property, { seed: 7 });
});

test('Zone ignores records whose names cannot be sent', () => {
  const zone = newZone();
  const bare = zone.size;
  zone.set('one', { records: [a('x'.repeat(64), '10.0.0.1'), a('b..c', '10.0.0.1')] });
  assert.equal(zone.size, bare);
});

test('reverse zones stand on whole labels', () => {
  const rows = [
    ['10.96.0.0/16', '1.0.96.10.in-addr.arpa', '96.10.in-addr.arpa'],
    ['10.96.0.0/12', '1.0.111.10.in-addr.arpa', '111.10.in-addr.arpa'],
    ['10.96.0.0/12', '1.0.112.10.in-addr.arpa', undefined],
    ['10.96.0.0/20', '1.15.96.10.in-addr.arpa', '15.96.10.in-addr.arpa'],
    ['10.0.0.0/8', '1.2.3.10.in-addr.arpa', '10.in-addr.arpa'],
    ['fd00:10::/32', '0.1.0.0.0.0.d.f.ip6.arpa', '0.1.0.0.0.0.d.f.ip6.arpa'],
  ] as const;
  for (const [cidr, name, apex] of rows) {
    const zone = newZone([cidr]);
    assert.equal(zone.apexOf(nameKey(name)!), apex && nameKey(apex), `${cidr} ${name}`);
  }
});

test('Zone refuses a domain or network that is none', () => {
  assert.throws(() => newZone(['10.96.0.0']), /Cannot serve reverse names of "10.96.0.0"/);
  assert.throws(() => new Zone({ domain: 'a..b', reverseCidrs: [], ttlSeconds: 5 }), /Cannot serve zone "a\.\.b"/);
});
