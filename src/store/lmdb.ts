import { type Database, open, type RootDatabase } from 'lmdb';
import { type ChangeLog, LogStore, type Recovered } from './log-store.ts';
import type { Change, KeyValue, Store } from './store.ts';

export interface LmdbStoreOptions {
  /** Made when it does not exist. */
  directory: string;
  /** Changes kept for watches to resume from, over restarts too. */
  historyLimit?: number;
}

interface Tables {
  readonly root: RootDatabase;
  /** Live keys, see {@link formatItem}. */
  readonly items: Database<string, string>;
  /** The newest changes by revision, see {@link formatChange}. */
  readonly changes: Database<string, number>;
}

/** The embedded store: every answered write is synced to disk first. Throws when the directory can't be used. */
export async function openLmdbStore({ directory, historyLimit = 10_000 }: LmdbStoreOptions): Promise<Store> {
  const tables = openTables(directory);
  const recovered = recover(tables);
  return new LogStore({ log: new LmdbLog(tables, historyLimit, recovered), recovered, historyLimit });
}

function openTables(directory: string): Tables {
  // overlappingSync would resolve a commit before it is on the disk.
  const root = open({ path: directory, overlappingSync: false, noMemInit: true, maxDbs: 4 });
  const items = root.openDB<string, string>({ name: 'live', encoding: 'string' });
  const changes = root.openDB<string, number>({ name: 'log', encoding: 'string', keyEncoding: 'uint32' });
  return { root, items, changes };
}

/** Both revisions, then the value as it is: `3 7 {"kind":…`. */
function formatItem({ createRevision, modRevision, value }: KeyValue): string {
  return `${createRevision} ${modRevision} ${value}`;
}

function parseItem(key: string, text: string): KeyValue {
  const first = text.indexOf(' ');
  const second = text.indexOf(' ', first + 1);
  return {
    key,
    value: text.slice(second + 1),
    createRevision: Number(text.slice(0, first)),
    modRevision: Number(text.slice(first + 1, second)),
  };
}

const PUT = '+';
const DELETE = '-';

/**
 * The key's fate and the key, then the item that the change replaced: `+/core/pods/default/a\n3 7 {…`. What it put is what
 * the next change of the key replaced, or what is live.
 */
function formatChange({ key, current, previous }: Change): string {
  return `${current ? PUT : DELETE}${key}\n${previous ? formatItem(previous) : ''}`;
}

function recover({ items, changes }: Tables): Recovered {
  const live: KeyValue[] = [];
  for (const { key, value } of items.getRange({})) live.push(parseItem(key, value));
  const isSorted = live.every(({ key }, at) => at === 0 || live[at - 1]!.key < key);
  if (!isSorted) live.sort((a, b) => (a.key < b.key ? -1 : 1));
  const history = recoverHistory([...changes.getRange({})], live);
  const newest = live.reduce((revision, item) => Math.max(revision, item.modRevision), 0);
  return { items: live, revision: Math.max(newest, history.at(-1)?.revision ?? 0), history };
}

/** From the newest change backwards: what is live now, then what each change says was there before. */
function recoverHistory(entries: readonly { key: number; value: string }[], live: readonly KeyValue[]): Change[] {
  const touched = new Set(entries.map(({ value }) => value.slice(1, value.indexOf('\n'))));
  const states = new Map(live.filter(({ key }) => touched.has(key)).map((item) => [item.key, item]));
  const history: Change[] = [];
  for (const { key: revision, value } of entries.toReversed()) {
    const end = value.indexOf('\n');
    const key = value.slice(1, end);
    const previous = end + 1 < value.length ? parseItem(key, value.slice(end + 1)) : undefined;
    const current = value.startsWith(PUT) ? states.get(key) : undefined;
    history.push({ revision, key, ...(current ? { current } : {}), ...(previous ? { previous } : {}) });
    if (previous) states.set(key, previous);
    else states.delete(key);
  }
  return history.reverse();
}

class LmdbLog implements ChangeLog {
  readonly #tables: Tables;
  readonly #historyLimit: number;
  #oldest: number;

  constructor(tables: Tables, historyLimit: number, recovered: Recovered) {
    this.#tables = tables;
    this.#historyLimit = historyLimit;
    this.#oldest = recovered.history[0]?.revision ?? recovered.revision + 1;
  }

  async append(changes: readonly Change[]): Promise<void> {
    const { root, items, changes: log } = this.#tables;
    await root.transaction(() => {
      for (const change of changes) {
        if (change.current) items.putSync(change.key, formatItem(change.current));
        else items.removeSync(change.key);
        log.putSync(change.revision, formatChange(change));
      }
      this.#trim(changes.at(-1)!.revision);
    });
  }

  #trim(newest: number): void {
    for (; this.#oldest <= newest - this.#historyLimit; this.#oldest++) this.#tables.changes.removeSync(this.#oldest);
  }

  close(): Promise<void> {
    return this.#tables.root.close();
  }
}
