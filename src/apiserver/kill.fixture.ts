import { openLmdbStore } from '../store/lmdb.ts';
import { startTestServer } from '../testing/server.ts';

/** Creates, changes and deletes ConfigMaps as fast as it can, and prints each write once it was answered; killed from outside. */
const store = await openLmdbStore({ directory: process.argv[2]! });
const { request } = await startTestServer({ store });
const PATH = '/api/v1/namespaces/default/configmaps';
const WRITERS = 8;

/** The last of every three stays with its second value, the first as it was created; the middle one goes. */
async function write(writer: number): Promise<void> {
  for (let i = 0; ; i++) {
    const name = `w${writer}-${i}`;
    await answered(name, '1', request('POST', PATH, { metadata: { name }, data: { v: '1' } }));
    if (i % 3 === 1) await answered(name, 'gone', request('DELETE', `${PATH}/${name}`));
    if (i % 3 === 2)
      await answered(name, '2', request('PUT', `${PATH}/${name}`, { metadata: { name }, data: { v: '2' } }));
  }
}

async function answered(name: string, state: string, answer: Promise<{ status: number }>): Promise<void> {
  const { status } = await answer;
  if (status >= 300) throw new Error(`${name}: ${status}`);
  process.stdout.write(`${name} ${state}\n`);
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
