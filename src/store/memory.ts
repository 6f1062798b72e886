import { LogStore } from './log-store.ts';
import type { Store } from './store.ts';

/** A store that is gone with its process: for tests. */
export function createMemoryStore(options: { historyLimit?: number } = {}): Store {
  const log = { append: () => Promise.resolve(), close: () => Promise.resolve() };
  return new LogStore({ log, ...options });
}
