import { openLmdbStore } from './lmdb.ts';

/** Writes as fast as it can and prints each key once its write was answered; killed from outside. */
const directory = process.argv[2]!;
const store = await openLmdbStore({ directory });
const WRITERS = 8;

async function write(writer: number): Promise<void> {
  for (let i = 0; ; i++) {
    const key = `/k/${writer}/${i}`;
    await store.put(key, (revision) => `${key}@${revision}`, 0);
    process.stdout.write(`${key}\n`);
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
