import { cidrAddress, cidrSize, formatIp, type Ip, parseCidr, parseIp } from '../lib/ip.ts';

/** Addresses that may be given to Services of type LoadBalancer: ranges, both ends included, in order of preference. */
export interface Pool {
  readonly ranges: readonly { readonly first: Ip; readonly last: Ip }[];
}

/** `10.89.0.200-10.89.0.250,10.89.1.0/28`: ranges and CIDRs. Throws a readable error. */
export function parsePool(text: string): Pool {
  return { ranges: text.split(',').map((part) => parseRange(part.trim())) };
}

function parseRange(text: string): Pool['ranges'][number] {
  const cidr = parseCidr(text);
  if (cidr) return { first: cidrAddress(cidr, 0), last: cidrAddress(cidr, cidrSize(cidr) - 1n) };
  const [first, last, more] = text.split('-').map((address) => parseIp(address.trim()));
  const isRange = first && last && more === undefined && first.family === last.family && first.value <= last.value;
  if (!isRange)
    throw new Error(`load balancer addresses: expected first-last or a CIDR, actual ${JSON.stringify(text)}`);
  return { first, last };
}

export function poolContains({ ranges }: Pool, ip: Ip): boolean {
  return ranges.some(
    ({ first, last }) => ip.family === first.family && first.value <= ip.value && ip.value <= last.value,
  );
}

/** All addresses of one family, lowest first within each range. */
export function* addressesOf({ ranges }: Pool, family: 4 | 6): Generator<string> {
  for (const { first, last } of ranges) {
    if (first.family !== family) continue;
    for (let { value } = first; value <= last.value; value++) yield formatIp({ family, value });
  }
}
