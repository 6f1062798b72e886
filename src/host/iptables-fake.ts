import { type IpFamily, type Iptables, IptablesError } from './iptables.ts';

/** Chains of a table: rules by chain name. */
export type FakeChains = ReadonlyMap<string, readonly string[]>;

type Chains = Map<string, string[]>;

const BUILT_IN: Readonly<Record<string, readonly string[]>> = {
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
};
const NAME_MAX = 28;
/** One table of a transaction. */
const SECTION = /^\*(\w+)\n((?:.*\n)*?)COMMIT\n/gm;

/**
 * iptables without a kernel, for tests. Strict: it throws at a line it does not know, and refuses what the kernel refuses: a
 * jump to no chain, a chain that goes while something leads to it.
 */
export class FakeIptables implements Iptables {
  /** Texts that went through, whatever the family. */
  readonly transactions: string[] = [];
  /** Refuses texts for which it returns a reason. */
  refuse: (text: string) => string | undefined = () => undefined;
  readonly #families = new Map<IpFamily, Map<string, Chains>>([
    [4, emptyTables()],
    [6, emptyTables()],
  ]);

  table(name: string, family: IpFamily = 4): FakeChains {
    return this.#families.get(family)!.get(name)!;
  }

  async restore(family: IpFamily, text: string): Promise<void> {
    const tables = this.#families.get(family)!;
    for (const [, name, body] of text.matchAll(SECTION)) {
      const reason = this.refuse(body!);
      if (reason) throw new IptablesError(reason);
      const chains = structuredClone(tables.get(name!));
      if (!chains) throw new IptablesError(`no table ${name}`);
      for (const line of body!.trimEnd().split('\n')) execute(chains, line);
      checkJumps(chains);
      tables.set(name!, chains);
    }
    const rest = text.replaceAll(SECTION, '').replaceAll(/^#.*\n/gm, '');
    if (rest !== '') throw new Error(`unknown line: ${rest}`);
    this.transactions.push(text);
  }

  async chain(family: IpFamily, table: string, name: string): Promise<string> {
    const rules = this.table(table, family).get(name);
    if (!rules) throw new IptablesError(`No chain/target/match by that name: ${name}`);
    return rules.map((rule) => `-A ${name} ${rule}\n`).join('');
  }

  /** As another program does that wants the tables for itself. */
  flush(family: IpFamily = 4): void {
    this.#families.set(family, emptyTables());
  }

  async save(family: IpFamily): Promise<string> {
    return [...this.#families.get(family)!]
      .map(([name, chains]) => {
        const declared = [...chains.keys()].map(
          (chain) => `:${chain} ${isBuiltIn(name, chain) ? 'ACCEPT' : '-'} [0:0]`,
        );
        const rules = [...chains].flatMap(([chain, list]) => list.map((rule) => `-A ${chain} ${rule}`));
        return `*${name}\n${[...declared, ...rules].join('\n')}\nCOMMIT\n`;
      })
      .join('');
  }
}

function emptyTables(): Map<string, Chains> {
  return new Map(Object.entries(BUILT_IN).map(([name, chains]) => [name, new Map(chains.map((chain) => [chain, []]))]));
}

function isBuiltIn(table: string, chain: string): boolean {
  return BUILT_IN[table]!.includes(chain);
}

function execute(chains: Chains, line: string): void {
  const [, declared] = /^:(\S+) - \[0:0\]$/.exec(line) ?? [];
  if (declared !== undefined) {
    if (declared.length > NAME_MAX) throw new IptablesError(`chain name ${declared} too long`);
    return void chains.set(declared, []);
  }
  const [, verb, name, rule] = /^-([AIDX]) (\S+)(?: (.+))?$/.exec(line) ?? [];
  if (verb === undefined) throw new Error(`unknown line: ${line}`);
  const chain = chains.get(name!);
  if (!chain) throw new IptablesError(`No chain/target/match by that name: ${name}`);
  if (verb === 'A') chain.push(rule!);
  else if (verb === 'I') chain.unshift(rule!);
  else if (verb === 'D') removeRule(chain, rule!);
  else if (chain.length > 0) throw new IptablesError(`Directory not empty: ${name}`);
  else chains.delete(name!);
}

function removeRule(chain: string[], rule: string): void {
  const at = chain.indexOf(rule);
  if (at < 0) throw new IptablesError(`Bad rule (does a matching rule exist in that chain?): ${rule}`);
  chain.splice(at, 1);
}

const TARGETS = ['ACCEPT', 'DROP', 'REJECT', 'RETURN', 'MARK', 'MASQUERADE', 'DNAT', 'REDIRECT', 'SET'];

function checkJumps(chains: Chains): void {
  for (const [name, rules] of chains)
    for (const rule of rules) {
      const target = /(?:^| )-j (\S+)/.exec(rule)?.[1];
      if (target && !TARGETS.includes(target) && !chains.has(target))
        throw new IptablesError(`chain ${name}: no chain ${target}`);
    }
}
