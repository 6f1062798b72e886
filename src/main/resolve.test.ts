import assert from 'node:assert/strict';
import type { Resolver } from 'node:dns/promises';
import { test } from 'node:test';
import { resolveWith } from './resolve.ts';

type Records = { address: string; ttl: number }[] | string;

/** A resolver that answers so, or fails with this code. */
function resolver(v4: Records, v6: Records = 'ENODATA'): Resolver {
  const answer = (records: Records) =>
    typeof records === 'string'
      ? Promise.reject(Object.assign(new Error(records), { code: records }))
      : Promise.resolve(records);
  return { resolve4: () => answer(v4), resolve6: () => answer(v6) } as unknown as Resolver;
}

test('resolveWith() takes IPv4 addresses, else IPv6 ones, and the shortest of their times', async () => {
  const four = [
    { address: '10.0.0.1', ttl: 30 },
    { address: '10.0.0.2', ttl: 5 },
  ];
  const six = [{ address: 'fd00::1', ttl: 7 }];
  assert.deepEqual(await resolveWith(resolver(four, six))('x'), { addresses: ['10.0.0.1', '10.0.0.2'], ttlSeconds: 5 });
  assert.deepEqual(await resolveWith(resolver('ENODATA', six))('x'), { addresses: ['fd00::1'], ttlSeconds: 7 });
  assert.deepEqual(await resolveWith(resolver([]))('x'), { addresses: [], ttlSeconds: 5 });
  await assert.rejects(resolveWith(resolver('ENOTFOUND'))('x'), /ENOTFOUND/);
});
