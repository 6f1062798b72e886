import { parseIp } from '../lib/ip.ts';
import { TYPE } from './codes.ts';
import { type NameKey, nameKey } from './name.ts';
import { type Section, type Target, writeSection } from './section.ts';

/** Names with fixed addresses. */
export type HostTable = ReadonlyMap<NameKey, { readonly A: readonly string[]; readonly AAAA: readonly string[] }>;

export const NO_HOSTS: HostTable = new Map();

/** Reads lines of hosts(5): an address, then its names. Throws an error that names the line. */
export function parseHosts(text: string): HostTable {
  const table = new Map<NameKey, { A: string[]; AAAA: string[] }>();
  for (const [index, line] of text.split('\n').entries()) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (!address) continue;
    const ip = parseIp(address);
    const keys = names.map(nameKey);
    if (!ip || names.length === 0 || keys.some((key) => !key)) {
      throw new Error(`hosts: line ${index + 1}: expected an address and its names, actual ${JSON.stringify(line)}`);
    }
    for (const key of keys as NameKey[]) {
      const entry = table.get(key) ?? { A: [], AAAA: [] };
      entry[ip.family === 4 ? 'A' : 'AAAA'].push(address);
      table.set(key, entry);
    }
  }
  return table;
}

/** The answer for a name of the table, empty for a type that it has not; undefined for any other name. */
export function hostAnswer(
  table: HostTable,
  { name, type }: { name: NameKey; type: number },
  ttlSeconds: number,
): Section | undefined {
  const entry = table.get(name);
  if (!entry) return undefined;
  const records = (kind: 'A' | 'AAAA'): Target[] => entry[kind].map((data) => ({ owner: name, type: kind, data }));
  const wanted = [
    ...(type === TYPE.A || type === TYPE.ANY ? records('A') : []),
    ...(type === TYPE.AAAA || type === TYPE.ANY ? records('AAAA') : []),
  ];
  return writeSection(name, wanted, ttlSeconds);
}
