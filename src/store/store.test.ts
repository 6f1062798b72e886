import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLmdbStore } from './lmdb.ts';
import { createMemoryStore } from './memory.ts';
import { type Change, CompactedError, MismatchError, type Store } from './store.ts';

interface Driver {
  open(): Promise<Store>;
  cleanup(): Promise<void>;
}

async function lmdbDriver(historyLimit?: number): Promise<Driver> {
  const directory = await mkdtemp(join(tmpdir(), 'sampan-store-'));
  return {
    open: () => openLmdbStore({ directory, historyLimit }),
    cleanup: () => rm(directory, { recursive: true, force: true }),
  };
}

const drivers: Record<string, (historyLimit?: number) => Promise<Driver>> = {
  lmdb: lmdbDriver,
  memory: async (historyLimit) => ({
    open: async () => createMemoryStore({ historyLimit }),
    cleanup: async () => {},
  }),
};

function put(store: Store, key: string, expected = 0, text = key) {
  return store.put(key, (revision) => `${text}@${revision}`, expected);
}

for (const [name, makeDriver] of Object.entries(drivers)) {
  const withStore = (title: string, run: (store: Store) => Promise<void>, historyLimit?: number) =>
    test(`${name}: ${title}`, async () => {
      const driver = await makeDriver(historyLimit);
      const store = await driver.open();
      try {
        await run(store);
      } finally {
        await store.close();
        await driver.cleanup();
      }
    });

  withStore('writes are optimistic and numbered', async (store) => {
    const first = await put(store, '/a/1');
    assert.deepEqual(first, { key: '/a/1', value: '/a/1@1', createRevision: 1, modRevision: 1 });
    await assert.rejects(put(store, '/a/1'), MismatchError);
    const second = await put(store, '/a/1', 1);
    assert.deepEqual([second.createRevision, second.modRevision], [1, 2]);
    assert.equal(await store.delete('/a/1', 2), 3);
    await assert.rejects(store.delete('/a/1', 2), MismatchError);
    assert.deepEqual([store.get('/a/1'), store.revision], [undefined, 3]);
  });

  withStore('of two writers with the same base, one wins', async (store) => {
    const results = await Promise.allSettled([put(store, '/k', 0, 'x'), put(store, '/k', 0, 'y')]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    );
    assert.equal(store.get('/k')?.value, 'x@1');
  });

  withStore('list is ordered, paged and can look back', async (store) => {
    for (const key of ['/a/3', '/a/1', '/b/1', '/a/2']) await put(store, key);
    const keys = (options = {}) => store.list('/a/', options).items.map((item) => item.key);
    assert.deepEqual(keys(), ['/a/1', '/a/2', '/a/3']);
    assert.deepEqual(keys({ limit: 2 }), ['/a/1', '/a/2']);
    assert.equal(store.list('/a/', { limit: 2 }).remaining, 1);
    await store.delete('/a/1', 2);
    await put(store, '/a/3', 1, 'new');
    assert.deepEqual(keys({ startAfter: '/a/2' }), ['/a/3']);
    assert.deepEqual(keys({ revision: 2 }), ['/a/1', '/a/3']);
    assert.equal(store.list('/a/', { revision: 4 }).items.at(-1)?.value, '/a/3@1');
  });

  withStore('watch tells what was missed, then what comes', async (store) => {
    await put(store, '/a/1');
    await put(store, '/b/1');
    const seen: Change[] = [];
    await put(store, '/a/1', 1, 'new');
    const stop = store.watch('/a/', 1, (change) => seen.push(change));
    await store.delete('/a/1', 3);
    stop();
    await put(store, '/a/2');
    assert.deepEqual(
      seen.map((change) => [change.revision, change.previous?.value, change.current?.value]),
      [
        [3, '/a/1@1', 'new@3'],
        [4, 'new@3', undefined],
      ],
    );
  });

  withStore(
    'history is bounded',
    async (store) => {
      for (let i = 0; i < 40; i++) await put(store, `/k/${i}`);
      assert.throws(() => store.watch('/k/', 1, () => {}), CompactedError);
      assert.throws(() => store.list('/k/', { revision: 1 }), CompactedError);
      assert.equal(store.list('/k/', { revision: 35 }).items.length, 35);
    },
    10,
  );
}

test('lmdb: a reopened store goes on where it was', async () => {
  const driver = await lmdbDriver();
  const first = await driver.open();
  await Promise.all([put(first, '/a/1'), put(first, '/a/2'), put(first, '/a/3')]);
  await first.delete('/a/2', 2);
  await first.close();
  const second = await driver.open();
  assert.deepEqual(
    second.list('/').items.map((item) => item.key),
    ['/a/1', '/a/3'],
  );
  assert.equal(second.revision, 4);
  const seen: number[] = [];
  second.watch('/', 2, (change) => seen.push(change.revision));
  assert.deepEqual(seen, [3, 4]);
  assert.equal((await put(second, '/a/4')).modRevision, 5);
  await second.close();
  await driver.cleanup();
});
