import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import { configMaps } from '../api/kinds/configmap.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock, turn } from '../testing/clock.ts';
import { startTestServer } from '../testing/server.ts';
import { createInformers } from './informers.ts';
import { createClient } from './kube-client.ts';
import type { Transport } from './transport.ts';

interface Line {
  /** Requests are refused with it while it is set. */
  failure?: ApiError;
  /** Ends the watches that are under way. */
  cut: () => void;
}

async function start() {
  const clock = new FakeClock();
  const { transport } = await startTestServer({ clock });
  const line: Line = { cut: () => {} };
  const unreliable: Transport = async (request) => {
    if (!request.path.includes('watch=')) return transport(request);
    if (line.failure) {
      const body = JSON.stringify(line.failure.toStatus());
      return {
        status: line.failure.code,
        headers: {},
        body: (async function* () {
          yield Buffer.from(body);
        })(),
      };
    }
    const broken = new AbortController();
    line.cut = () => broken.abort();
    return transport({ ...request, signal: AbortSignal.any([broken.signal, request.signal!]) });
  };
  const abort = new AbortController();
  const informers = createInformers({
    client: createClient(unreliable),
    clock,
    log: silentLogger,
    random: () => 0,
    signal: abort.signal,
  });
  const client = createClient(transport);
  const seen: string[] = [];
  const informer = informers.of(configMaps, { namespace: 'default' });
  informer.subscribe(({ type, object }) => seen.push(`${type} ${object.metadata.name}=${object.data?.['x'] ?? ''}`));
  /** Moves time and turns until `done`. */
  const until = async (done: () => boolean) => {
    for (let i = 0; i < 1000 && !done(); i++) {
      await turn();
      clock.advance(100);
    }
    assert.ok(done(), seen.join('; '));
  };
  const put = (name: string, x: string) =>
    client.create(configMaps, { metadata: { name, namespace: 'default' }, data: { x } });
  return { line, client, informer, informers, seen, until, put, abort };
}

test('createInformers() shows what is there, then what changes', async () => {
  const { client, informer, informers, seen, until, put, abort } = await start();
  const first = await put('a', '1');
  await informers.whenSynced();
  await client.update(configMaps, { ...first, data: { x: '2' } });
  await client.delete(configMaps, { name: 'a', namespace: 'default' });
  await until(() => seen.length === 3);
  assert.deepEqual(seen, ['added a=1', 'updated a=2', 'deleted a=2']);
  assert.equal(informer.get('a', 'default'), undefined);
  assert.deepEqual(informer.list('default'), []);
  abort.abort();
});

test('createInformers() resumes a watch that broke, without telling anything twice', async () => {
  const { line, informers, seen, until, put, abort } = await start();
  await put('a', '1');
  await informers.whenSynced();
  await until(() => seen.length === 1);
  line.failure = new ApiError('ServiceUnavailable', 'the server is away');
  line.cut();
  await put('b', '1');
  for (let i = 0; i < 20; i++) await turn();
  line.failure = undefined;
  await until(() => seen.length === 2);
  assert.deepEqual(seen, ['added a=1', 'added b=1']);
  abort.abort();
});

test('createInformers() lists again when its place is gone, and tells only the differences', async () => {
  const { line, client, informers, seen, until, put, abort } = await start();
  for (const name of ['kept', 'changed', 'removed']) await put(name, '1');
  await informers.whenSynced();
  await until(() => seen.length === 3);
  line.failure = new ApiError('Expired', 'too old resource version');
  line.cut();
  await client.patch(
    configMaps,
    { name: 'changed', namespace: 'default' },
    { type: 'merge', body: { data: { x: '2' } } },
  );
  await client.delete(configMaps, { name: 'removed', namespace: 'default' });
  await put('new', '1');
  await until(() => seen.length === 6);
  line.failure = undefined;
  await until(() => seen.length === 6);
  assert.deepEqual(seen.slice(3).sort(), ['added new=1', 'deleted removed=1', 'updated changed=2']);
  abort.abort();
});

test('createInformers() tells the end of an object whose name another has taken meanwhile', async () => {
  const { line, client, informers, seen, until, put, abort } = await start();
  await put('a', '1');
  await informers.whenSynced();
  await until(() => seen.length === 1);
  line.failure = new ApiError('Expired', 'too old resource version');
  line.cut();
  await client.delete(configMaps, { name: 'a', namespace: 'default' });
  await put('a', '2');
  await until(() => seen.length === 3);
  line.failure = undefined;
  assert.deepEqual(seen, ['added a=1', 'deleted a=1', 'added a=2']);
  abort.abort();
});

test('createInformers() pauses between watches that tell nothing', async () => {
  const clock = new FakeClock();
  const { transport } = await startTestServer({ clock });
  let watches = 0;
  const abort = new AbortController();
  const closing: Transport = async (request) => {
    if (!request.path.includes('watch=')) return transport(request);
    watches++;
    return { status: 200, headers: {}, body: (async function* () {})() };
  };
  const options = { client: createClient(closing), clock, log: silentLogger, random: () => 1, signal: abort.signal };
  await createInformers(options).of(configMaps).whenSynced();
  for (let i = 0; i < 100; i++) await turn();
  assert.equal(watches, 1);
  clock.advance(50);
  for (let i = 0; i < 100; i++) await turn();
  assert.equal(watches, 2);
  abort.abort();
});
