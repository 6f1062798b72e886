/** One live key, encoded once by its writer. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Revision of the write that created the key. */
  readonly createRevision: number;
  /** Revision of the last write. */
  readonly modRevision: number;
}

/** One write, as watchers see it. */
export interface Change {
  readonly revision: number;
  readonly key: string;
  /** Absent for a delete. */
  readonly current?: KeyValue;
  /** Absent for a create. */
  readonly previous?: KeyValue;
}

export interface ListOptions {
  /** Only keys after this one: where an earlier page ended. */
  startAfter?: string;
  limit?: number;
  /** State as of this revision; the newest when left out. Throws {@link CompactedError} beyond the kept history. */
  revision?: number;
}

export interface ListResult {
  readonly items: readonly KeyValue[];
  /** The revision that the whole list is consistent with. */
  readonly revision: number;
  /** Keys that the limit left out. */
  readonly remaining: number;
}

/** The key's `modRevision` is not the expected one. */
export class MismatchError extends Error {
  override name = 'MismatchError';
  /** The newest state of the key, or undefined when it does not exist. */
  readonly found: KeyValue | undefined;

  constructor(found: KeyValue | undefined) {
    super('The key was changed meanwhile');
    this.found = found;
  }
}

/** The revision asked for is older than the history that is kept. */
export class CompactedError extends Error {
  override name = 'CompactedError';
  readonly oldest: number;

  constructor(oldest: number) {
    super(`Revisions before ${oldest} are compacted`);
    this.oldest = oldest;
  }
}

/**
 * A revisioned key-value store like etcd's: one counter for all writes, optimistic writes, watches that are the tail of
 * the log. It knows no kind. Reads and watches show durable writes only.
 */
export interface Store {
  /** Revision of the newest durable write. */
  readonly revision: number;
  /** The disk failed a write: nothing more is written. */
  readonly failed: boolean;
  get(key: string): KeyValue | undefined;
  /** The newest state of a key, writes on their way to the disk included: what the next write must be based on. */
  head(key: string): KeyValue | undefined;
  /** Keys that begin with `prefix`, in order. */
  list(prefix: string, options?: ListOptions): ListResult;
  count(prefix: string): number;
  /**
   * Writes when the key's `modRevision` is `expected` (0: the key must not exist) and resolves when durable.
   * `encode` is given the revision of this write, so that the value can carry it. Throws {@link MismatchError}.
   */
  put(key: string, encode: (revision: number) => string, expected: number): Promise<KeyValue>;
  /** Deletes when `modRevision` is `expected`; resolves when durable with the revision of the delete. */
  delete(key: string, expected: number): Promise<number>;
  /**
   * Calls back for every durable change after `fromRevision` (0: from now), in order: kept history at once, before this
   * returns. The returned function ends it. Throws {@link CompactedError}.
   */
  watch(prefix: string, fromRevision: number, listener: (change: Change) => void): () => void;
  /** Resolves when all writes so far are durable; later writes are refused. */
  close(): Promise<void>;
}
