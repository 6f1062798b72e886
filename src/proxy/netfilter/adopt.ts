import { type Ownership, TABLES, type Table } from './chains.ts';

/** What `iptables-save` told of one table: our chains in it, and what leads to them from chains of the kernel's own. */
interface Held {
  readonly chains: Set<string>;
  /** Lines `-A …`. */
  readonly jumps: string[];
}

/** Our chains in a listing of all tables (`iptables-save`). Chains of others are passed over. Pure. */
export function heldChains(listing: string, { isOurs }: Ownership): ReadonlyMap<Table, Held> {
  const held = new Map<Table, Held>();
  let table: Held | undefined;
  for (const line of listing.split('\n')) {
    if (line.startsWith('*')) {
      table = { chains: new Set(), jumps: [] };
      held.set(line.slice(1) as Table, table);
    } else if (line.startsWith(':')) {
      const name = line.slice(1, line.indexOf(' '));
      if (isOurs(name)) table?.chains.add(name);
    } else if (/^-A (?:PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) /.test(line)) {
      const target = / -j (\S+)$/.exec(line)?.[1];
      if (target && isOurs(target)) table?.jumps.push(line);
    }
  }
  return held;
}

/** One table of a transaction: its name and what is done in it. */
const SECTION = /^\*(\w+)\n((?:.*\n)*?)COMMIT\n/gm;

/** A complete set of rules, with what it takes to make it the only one: jumps that are missing, chains that are left over. */
export function adopt(commands: string, listing: string, ownership: Ownership): string {
  const held = heldChains(listing, ownership);
  return commands.replaceAll(SECTION, (_, name: Table, body: string) => {
    const { chains, jumps } = held.get(name) ?? { chains: new Set<string>(), jumps: [] };
    const wanted = new Set([...body.matchAll(/^:(\S+)/gm)].map(([, chain]) => chain!));
    const stale = [...chains].filter((chain) => !wanted.has(chain));
    const missing = ownership.jumps.filter(
      ({ table, from, to }) =>
        table === name && !jumps.some((line) => line.startsWith(`-A ${from} `) && line.endsWith(` -j ${to}`)),
    );
    const lines = [
      ...stale.map((chain) => `:${chain} - [0:0]`),
      ...body.trimEnd().split('\n'),
      ...missing.map(({ from, match, to }) => `-I ${from} ${match} -j ${to}`),
      ...stale.map((chain) => `-X ${chain}`),
    ];
    return `*${name}\n${lines.join('\n')}\nCOMMIT\n`;
  });
}

/** True when the kernel's own chains still lead to ours: who flushes a table takes that away. */
export async function jumpsAreThere(
  listChain: (table: Table, name: string) => Promise<string>,
  { jumps }: Ownership,
): Promise<boolean> {
  // The first one of each table stands for all: nobody takes away a single rule.
  const first = new Map([...jumps].reverse().map((jump) => [jump.table, jump]));
  for (const { table, from, to } of first.values())
    if (!(await listChain(table, from)).includes(` -j ${to}\n`)) return false;
  return true;
}

/** Takes away what a listing shows of ours; empty when it shows nothing. */
export function cleanup(listing: string, ownership: Ownership): string {
  return [...heldChains(listing, ownership)]
    .filter(([table, { chains, jumps }]) => TABLES.includes(table) && chains.size + jumps.length > 0)
    .map(([table, { chains, jumps }]) => {
      const lines = [
        ...[...chains].map((chain) => `:${chain} - [0:0]`),
        ...jumps.map((line) => line.replace(/^-A/, '-D')),
        ...[...chains].map((chain) => `-X ${chain}`),
      ];
      return `*${table}\n${lines.join('\n')}\nCOMMIT\n`;
    })
    .join('');
}
