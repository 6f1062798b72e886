import { formatIp, parseIp } from '../lib/ip.ts';

/** The contract is written in IPv4. The same in IPv6: each address has a twin, `fd00:a:b:c::d` for `a.b.c.d`. */
const PREFIXES: Readonly<Record<string, string>> = { 16: '48', 24: '64', 30: '126', 32: '128' };

/** Anything made of plain data, with its twins' addresses. */
export function toIpv6<T>(value: T): T {
  const text = JSON.stringify(value)
    .replaceAll(/\b(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?/g, twin)
    .replaceAll('"IPv4"', '"IPv6"')
    .replaceAll('"family":4', '"family":6');
  return JSON.parse(text) as T;
}

function twin(_: string, ...parts: (string | undefined)[]): string {
  const [a, b, c, d, prefix] = parts;
  const network = prefix === undefined ? '' : `/${PREFIXES[prefix] ?? prefix}`;
  return `${formatIp(parseIp(`fd00:${a}:${b}:${c}::${d}`)!)}${network}`;
}

/** The way back. */
export function toIpv4<T>(value: T): T {
  return JSON.parse(JSON.stringify(value).replaceAll(/fd00:[0-9a-f:]+/g, original)) as T;
}

function original(text: string): string {
  const { value } = parseIp(text)!;
  return [96n, 80n, 64n, 0n].map((shift) => ((value >> shift) & 0xffffn).toString(16)).join('.');
}
