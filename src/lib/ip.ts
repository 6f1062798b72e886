/** An IP address as a number of its family's width. */
export interface Ip {
  readonly family: 4 | 6;
  readonly value: bigint;
}

export interface Cidr {
  readonly family: 4 | 6;
  /** The network's first address; host bits are zero. */
  readonly base: bigint;
  readonly prefix: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;

/** Strict form only: no leading zeros, no zone, no IPv4-mapped shorthand. Undefined for anything else. */
export function parseIp(text: string): Ip | undefined {
  const value = text.includes(':') ? parseIpv6(text) : parseIpv4(text);
  return value === undefined ? undefined : { family: text.includes(':') ? 6 : 4, value };
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256n + BigInt(part);
  }
  return value;
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map(parseGroups);
  const [head, tail] = groups;
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array<number>(halves.length === 2 ? missing : 0).fill(0), ...(tail ?? [])];
  return all.reduce((value, group) => value * 65536n + BigInt(group), 0n);
}

function parseGroups(half: string): number[] | undefined {
  if (half === '') return [];
  const parts = half.split(':');
  const last = parts.at(-1) ?? '';
  const groups = (last.includes('.') ? parts.slice(0, -1) : parts).map(parseGroup);
  if (last.includes('.')) {
    const v4 = parseIpv4(last);
    if (v4 === undefined) return undefined;
    groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
  }
  return groups.every((group) => group !== undefined) ? (groups as number[]) : undefined;
}

function parseGroup(part: string): number | undefined {
  return /^[0-9a-f]{1,4}$/i.test(part) ? Number.parseInt(part, 16) : undefined;
}

/** Canonical text (RFC 5952 for IPv6). */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) return [24n, 16n, 8n, 0n].map((shift) => (ip.value >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => Number((ip.value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return compressZeros(groups);
}

function compressZeros(groups: readonly string[]): string {
  const runs = groups.join(':').match(/\b0(:0)+\b/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '');
  if (longest === '') return groups.join(':');
  const text = groups.join(':');
  const at = text.search(new RegExp(`(?<![0-9a-f])${longest}(?![0-9a-f])`));
  const head = text.slice(0, at).replace(/:$/, '');
  const tail = text.slice(at + longest.length).replace(/^:/, '');
  return `${head}::${tail}`;
}

/** `address/prefix`; undefined when malformed. Host bits may be set and are cleared. */
export function parseCidr(text: string): Cidr | undefined {
  const [address, prefixText, more] = text.split('/');
  const ip = parseIp(address ?? '');
  if (!ip || more !== undefined || !/^(0|[1-9]\d{0,2})$/.test(prefixText ?? '')) return undefined;
  const prefix = Number(prefixText);
  if (prefix > WIDTH[ip.family]) return undefined;
  const hostBits = BigInt(WIDTH[ip.family] - prefix);
  return { family: ip.family, base: (ip.value >> hostBits) << hostBits, prefix };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp({ family: cidr.family, value: cidr.base })}/${cidr.prefix}`;
}

export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  const hostBits = BigInt(WIDTH[cidr.family] - cidr.prefix);
  return ip.family === cidr.family && ip.value >> hostBits === cidr.base >> hostBits;
}

/** Number of addresses in the network. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(WIDTH[cidr.family] - cidr.prefix);
}

/** The address `index` places after the network's first. */
export function cidrAddress(cidr: Cidr, index: bigint | number): Ip {
  return { family: cidr.family, value: cidr.base + BigInt(index) };
}

/** The `index`-th network of `prefix` bits inside `cidr`, as a node's pod CIDR is cut from the cluster's. */
export function subnet(cidr: Cidr, prefix: number, index: number): Cidr {
  const base = cidr.base + (BigInt(index) << BigInt(WIDTH[cidr.family] - prefix));
  return { family: cidr.family, base, prefix };
}
