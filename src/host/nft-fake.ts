import { type Nft, NftError } from './nft.ts';

/** A table as the kernel would hold it after the commands that it accepted. */
export interface FakeTable {
  /** Maps and sets by name; a set's elements have no data. */
  readonly maps: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Chains by name: a hook's line, if it has one, and rules. */
  readonly chains: ReadonlyMap<string, FakeChain>;
}

export interface FakeChain {
  readonly hook?: string;
  readonly rules: readonly string[];
}

interface Chain {
  hook?: string;
  readonly rules: string[];
}

interface Table {
  readonly maps: Map<string, Map<string, string>>;
  readonly chains: Map<string, Chain>;
}

/** Names are two words: `ip sampan`. */
type Tables = Map<string, Table>;

/**
 * nft without a kernel, for tests. Strict: it throws at a command it does not know, and refuses what the kernel refuses:
 * what is there twice, what is not there, a verdict to no chain.
 */
export class FakeNft implements Nft {
  /** Transactions that went through. */
  readonly transactions: string[] = [];
  /** Refuses transactions for which it returns a reason. */
  refuse: (commands: string) => string | undefined = () => undefined;
  closed = false;
  #tables: Tables = new Map();

  get tables(): ReadonlyMap<string, FakeTable> {
    return this.#tables;
  }

  async run(commands: string): Promise<void> {
    const reason = this.refuse(commands);
    if (reason) throw new NftError(reason);
    const tables = structuredClone(this.#tables);
    const lines = commands.split('\n').map((line) => line.trim());
    for (const command of joinBlocks(lines)) execute(tables, command);
    this.#tables = tables;
    this.transactions.push(commands);
  }

  close(): void {
    this.closed = true;
  }
}

/** Lines of one command each: a block `table … { … }` is one command. */
function joinBlocks(lines: readonly string[]): string[][] {
  const commands: string[][] = [];
  let depth = 0;
  for (const line of lines) {
    if (line === '') continue;
    if (depth === 0) commands.push([]);
    commands.at(-1)!.push(line);
    depth += count(line, '{') - count(line, '}');
  }
  if (depth !== 0) throw new NftError('syntax error: a block is not closed');
  return commands;
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

function execute(tables: Tables, [first, ...rest]: readonly string[]): void {
  const block = /^table (\w+ \w+) \{$/.exec(first!);
  if (block) return fillTable(tableIn(tables, block[1]!, true), rest.slice(0, -1));
  for (const [pattern, effect] of COMMANDS) {
    const match = pattern.exec(first!);
    if (match) return effect(tables, match.slice(1));
  }
  throw new Error(`unknown nft command: ${first}`);
}

type Effect = (tables: Tables, words: readonly string[]) => void;

const COMMANDS: readonly (readonly [RegExp, Effect])[] = [
  [/^add table (\w+ \w+)$/, (tables, [table]) => void tableIn(tables, table!, true)],
  [/^delete table (\w+ \w+)$/, (tables, [table]) => remove(tables, table!)],
  [
    /^add chain (\w+ \w+) (\S+)$/,
    (tables, [table, chain]) => {
      const { chains } = tableIn(tables, table!);
      if (!chains.has(chain!)) chains.set(chain!, { rules: [] });
    },
  ],
  [/^flush (?:map|set) (\w+ \w+) (\S+)$/, (tables, [table, map]) => mapIn(tableIn(tables, table!), map!).clear()],
  [/^flush chain (\w+ \w+) (\S+)$/, (tables, [table, chain]) => void chainIn(tables, table!, chain!).rules.splice(0)],
  [
    /^add rule (\w+ \w+) (\S+) (.+)$/,
    (tables, [table, chain, rule]) => void chainIn(tables, table!, chain!).rules.push(rule!),
  ],
  [
    /^add element (\w+ \w+) (\S+) \{ (.+) \}$/,
    (tables, [table, map, elements]) => addElements(tableIn(tables, table!), map!, elements!),
  ],
  [
    /^delete element (\w+ \w+) (\S+) \{ (.+) \}$/,
    (tables, [table, map, elements]) => {
      const held = mapIn(tableIn(tables, table!), map!);
      for (const [key, data] of parseElements(elements!)) {
        if (held.get(key) !== data) throw notThere(`element ${key} : ${data} of ${map}`);
        held.delete(key);
      }
    },
  ],
];

function addElements(table: Table, name: string, elements: string): void {
  const held = mapIn(table, name);
  for (const [key, data] of parseElements(elements)) {
    if (held.has(key) && held.get(key) !== data) throw new NftError(`File exists: element ${key} of ${name}`);
    const chain = /^(?:goto|jump) (\S+)$/.exec(data)?.[1];
    if (chain !== undefined && !table.chains.has(chain)) throw notThere(`chain ${chain}`);
    held.set(key, data);
  }
}

function parseElements(elements: string): [string, string][] {
  return elements.split(', ').map((element) => {
    const [key, data = ''] = element.split(' : ');
    return [key!, data];
  });
}

/** The inside of a table's block, to what is there: maps and sets (their type only), and chains with their rules. */
function fillTable(table: Table, lines: readonly string[]): void {
  let chain: Chain | undefined;
  for (const line of lines) {
    const [, kind, name] = /^(map|set|chain) (\S+) \{$/.exec(line) ?? [];
    if (kind === 'chain') {
      chain = table.chains.get(name!) ?? { rules: [] };
      table.chains.set(name!, chain);
    } else if (kind) table.maps.set(name!, table.maps.get(name!) ?? new Map());
    else if (line === '}') chain = undefined;
    else if (line.startsWith('type ') && chain) chain.hook = line;
    else chain?.rules.push(line);
  }
}

function tableIn(tables: Tables, name: string, make = false): Table {
  if (make && !tables.has(name)) tables.set(name, { maps: new Map(), chains: new Map() });
  return tables.get(name) ?? fail(notThere(`table ${name}`));
}

function mapIn(table: Table, name: string): Map<string, string> {
  return table.maps.get(name) ?? fail(notThere(`map ${name}`));
}

function chainIn(tables: Tables, table: string, name: string): Chain {
  return tableIn(tables, table).chains.get(name) ?? fail(notThere(`chain ${name}`));
}

function remove(tables: Tables, name: string): void {
  if (!tables.delete(name)) throw notThere(`table ${name}`);
}

function notThere(what: string): NftError {
  return new NftError(`No such file or directory: ${what}`);
}

function fail(error: Error): never {
  throw error;
}
