import { assert } from '../lib/assert.ts';
import { History } from './history.ts';
import { SortedKeys } from './sorted-keys.ts';
import { type Change, type KeyValue, type ListOptions, type ListResult, MismatchError, type Store } from './store.ts';

/** Where changes are made durable. */
export interface ChangeLog {
  /** Resolves when all of `changes` are durable; called again only after that. Oldest first. */
  append(changes: readonly Change[]): Promise<void>;
  close(): Promise<void>;
}

/** What a log held when it was opened. */
export interface Recovered {
  /** Live keys in order. */
  readonly items: Iterable<KeyValue>;
  readonly revision: number;
  /** The newest changes, oldest first. */
  readonly history: readonly Change[];
}

export interface LogStoreOptions {
  log: ChangeLog;
  recovered?: Recovered;
  /** Changes kept for watches to resume from. */
  historyLimit?: number;
}

interface Watcher {
  readonly prefix: string;
  readonly listener: (change: Change) => void;
}

interface Pending {
  readonly change: Change;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A {@link Store} in memory over a log: writes that arrive while the log is busy go to it together (group commit). */
export class LogStore implements Store {
  readonly #log: ChangeLog;
  readonly #items = new Map<string, KeyValue>();
  readonly #keys = new SortedKeys();
  readonly #history: History;
  readonly #watchers = new Set<Watcher>();
  /** Newest state of keys whose writes are not durable yet; undefined stands for a delete. */
  readonly #ahead = new Map<string, Change>();
  #revision: number;
  #assigned: number;
  #queue: Pending[] = [];
  #flushing: Promise<void> | undefined;
  #failure: unknown;

  constructor({ log, recovered, historyLimit = 10_000 }: LogStoreOptions) {
    this.#log = log;
    for (const item of recovered?.items ?? []) this.#set(item);
    this.#revision = this.#assigned = recovered?.revision ?? 0;
    const history = recovered?.history ?? [];
    this.#history = new History(historyLimit, history.length > 0 ? history[0]!.revision - 1 : this.#revision);
    for (const change of history) this.#history.push(change);
  }

  get revision(): number {
    return this.#revision;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  get(key: string): KeyValue | undefined {
    return this.#items.get(key);
  }

  head(key: string): KeyValue | undefined {
    const ahead = this.#ahead.get(key);
    return ahead ? ahead.current : this.#items.get(key);
  }

  count(prefix: string): number {
    return this.#keys.count(prefix);
  }

  list(prefix: string, options: ListOptions = {}): ListResult {
    const revision = options.revision ?? this.#revision;
    const items = revision === this.#revision ? undefined : this.#at(prefix, revision);
    const keys = items ? [...items.keys()].filter((key) => key > (options.startAfter ?? '')) : undefined;
    const all = keys ?? this.#keys.range(prefix, options.startAfter);
    const page = options.limit ? all.slice(0, options.limit) : all;
    return {
      items: page.map((key) => (items ?? this.#items).get(key)!),
      revision,
      remaining: all.length - page.length,
    };
  }

  /** The state of `prefix` at an older revision: the present one with later changes undone. */
  #at(prefix: string, revision: number): Map<string, KeyValue> {
    const items = new Map(this.#keys.range(prefix).map((key) => [key, this.#items.get(key)!]));
    for (const change of this.#history.after(revision).toReversed()) {
      if (!change.key.startsWith(prefix)) continue;
      if (change.previous) items.set(change.key, change.previous);
      else items.delete(change.key);
    }
    return new Map([...items].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async put(key: string, encode: (revision: number) => string, expected: number): Promise<KeyValue> {
    const previous = this.#check(key, expected);
    const revision = this.#assigned + 1;
    const value = encode(revision);
    const current = { key, value, createRevision: previous?.createRevision ?? revision, modRevision: revision };
    await this.#write({ revision, key, current, previous });
    return current;
  }

  async delete(key: string, expected: number): Promise<number> {
    const previous = this.#check(key, expected);
    const revision = this.#assigned + 1;
    await this.#write({ revision, key, previous });
    return revision;
  }

  watch(prefix: string, fromRevision: number, listener: (change: Change) => void): () => void {
    const missed = fromRevision === 0 ? [] : this.#history.after(fromRevision);
    for (const change of missed) if (change.key.startsWith(prefix)) listener(change);
    const watcher = { prefix, listener };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  async close(): Promise<void> {
    this.#failure ??= new Error('The store is closed');
    await this.#flushing;
    await this.#log.close();
  }

  #check(key: string, expected: number): KeyValue | undefined {
    if (this.#failure) throw this.#failure;
    const found = this.head(key);
    if ((found?.modRevision ?? 0) !== expected) throw new MismatchError(found);
    return found;
  }

  #write(change: Change): Promise<void> {
    assert(change.revision === this.#assigned + 1, 'revisions are assigned in order');
    this.#assigned = change.revision;
    this.#ahead.set(change.key, change);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ change, resolve, reject });
    this.#flushing ??= this.#flush();
    return promise;
  }

  async #flush(): Promise<void> {
    // Writers of the same turn share the first commit.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#flushBatch(this.#queue.splice(0));
    this.#flushing = undefined;
  }

  async #flushBatch(batch: readonly Pending[]): Promise<void> {
    try {
      await this.#log.append(batch.map(({ change }) => change));
    } catch (error) {
      // What the disk holds is unknown now: nothing more may be written by this process.
      this.#failure = error;
      for (const { reject } of [...batch, ...this.#queue.splice(0)]) reject(error);
      return;
    }
    for (const { change, resolve } of batch) {
      this.#apply(change);
      resolve();
    }
  }

  #apply(change: Change): void {
    if (change.current) this.#set(change.current);
    else this.#drop(change.key);
    if (this.#ahead.get(change.key) === change) this.#ahead.delete(change.key);
    this.#revision = change.revision;
    this.#history.push(change);
    for (const { prefix, listener } of this.#watchers) if (change.key.startsWith(prefix)) listener(change);
  }

  #set(item: KeyValue): void {
    if (!this.#items.has(item.key)) this.#keys.add(item.key);
    this.#items.set(item.key, item);
  }

  #drop(key: string): void {
    this.#items.delete(key);
    this.#keys.delete(key);
  }
}
