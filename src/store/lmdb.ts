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
  /** Live keys. */
  readonly items: Database<KeyValue, string>;
  /** The newest changes by revision. */
  readonly changes: Database<Change, number>;
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
  const items = root.openDB<KeyValue, string>({ name: 'items', encoding: 'json' });
  const changes = root.openDB<Change, number>({ name: 'changes', encoding: 'json', keyEncoding: 'uint32' });
  return { root, items, changes };
}

function recover({ items, changes }: Tables): Recovered {
  const history = [...changes.getRange({})].map(({ value }) => value);
  const live = [...items.getRange({})].map(({ value }) => value).sort((a, b) => (a.key < b.key ? -1 : 1));
  const newest = live.reduce((revision, item) => Math.max(revision, item.modRevision), 0);
  return { items: live, revision: Math.max(newest, history.at(-1)?.revision ?? 0), history };
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
        if (change.current) items.putSync(change.key, change.current);
        else items.removeSync(change.key);
        log.putSync(change.revision, change);
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
