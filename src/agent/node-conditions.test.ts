import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeConditions } from './node-conditions.ts';

const NOW = Date.UTC(2026, 0, 1);
const EARLIER = '2025-12-31T00:00:00Z';
const GIB = 2 ** 30;

test('nodeConditions() tells of a disk that is full, by octets or by inodes', () => {
  const room = { freeBytes: GIB, freeInodes: 500, inodes: 1000 };
  const rows: [string, object, string][] = [
    ['room', room, 'False'],
    ['few octets', { ...room, freeBytes: GIB / 5 }, 'True'],
    ['few inodes', { ...room, freeInodes: 9 }, 'True'],
    ['no count of inodes', { ...room, freeInodes: 0, inodes: 0 }, 'False'],
  ];
  const known = [{ type: 'DiskPressure', status: 'False', lastTransitionTime: EARLIER }];
  for (const [name, at, status] of rows) {
    const conditions = nodeConditions(at as typeof room, { known, now: NOW });
    const disk = conditions.find(({ type }) => type === 'DiskPressure')!;
    const time = status === 'False' ? EARLIER : '2026-01-01T00:00:00Z';
    assert.deepEqual([disk.status, disk.lastTransitionTime], [status, time], name);
    assert.equal(conditions.find(({ type }) => type === 'Ready')!.status, 'True', name);
  }
});
