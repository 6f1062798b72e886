import type { Resolver } from 'node:dns/promises';
import type { Resolution } from '../ingress/names.ts';

const NO_ANSWER_TTL = 5;

/** IPv4 addresses of a name, or IPv6 ones where there are none. Rejects when DNS does not answer. */
export function resolveWith(resolver: Resolver): (name: string) => Promise<Resolution> {
  return async (name) => {
    const records = await resolver.resolve4(name, { ttl: true }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENODATA') throw error;
      return resolver.resolve6(name, { ttl: true });
    });
    return {
      addresses: records.map(({ address }) => address),
      ttlSeconds: Math.min(...records.map(({ ttl }) => ttl), records.length > 0 ? Infinity : NO_ANSWER_TTL),
    };
  };
}
