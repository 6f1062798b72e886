import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';

import { after, before, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { createMemoryStore } from '../store/memory.ts';
import { type HttpsServer, startHttpsServer } from '../testing/https-server.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
let server: HttpsServer;
let agent: Agent;

before(async () => {
  server = await startHttpsServer({ store: createMemoryStore() });
  agent = new Agent({ keepAlive: true });
});

after(() => {
  agent.destroy();
  server.stop();
});

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

const credentials = () => ({ ca: server.caPem, cert: server.admin.certPem, key: server.admin.keyPem });

async function send(method: string, path: string, body = '', headers: Record<string, string> = {}): Promise<Answer> {
  const options = { host: '127.0.0.1', port: server.port, agent, method, path, ...credentials() };
  const sent = httpsRequest({ ...options, headers: { 'content-type': 'application/json', ...headers } });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) };
}

function open(): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: server.port, ...credentials() }, () => resolve(socket));
    socket.once('error', reject);
  });
}

test('a body over 3 MiB is refused by name, and the next request is served', async () => {
  const large = JSON.stringify({ metadata: { name: 'large' }, data: { x: 'x'.repeat(3 * 1024 * 1024) } });
  const refused = await send('POST', CONFIG_MAPS, large);
  assert.equal(refused.status, 413);
  assert.equal(JSON.parse(refused.body.toString()).reason, 'RequestEntityTooLarge');
  const small = await send('POST', CONFIG_MAPS, JSON.stringify({ metadata: { name: 'small' } }));
  assert.equal(small.status, 201);
});

test('large answers are compressed for clients that take gzip', async () => {
  for (const name of ['g1', 'g2'])
    await send('POST', CONFIG_MAPS, JSON.stringify({ metadata: { name }, data: { x: 'y'.repeat(100_000) } }));
  const plain = await send('GET', CONFIG_MAPS);
  const packed = await send('GET', CONFIG_MAPS, '', { 'accept-encoding': 'gzip' });
  assert.equal(plain.headers['content-encoding'], undefined);
  assert.equal(packed.headers['content-encoding'], 'gzip');
  assert.ok(packed.body.length < plain.body.length / 10);
  assert.deepEqual(gunzipSync(packed.body), plain.body);
});

test('watches over the wire are whole chunks, for several watchers at once', async () => {
  const sockets = await Promise.all([open(), open(), open()]);
  const texts = sockets.map(() => '');
  const { resourceVersion } = JSON.parse((await send('GET', CONFIG_MAPS)).body.toString()).metadata;
  const seen = sockets.map(
    (socket, at) =>
      new Promise<void>((resolve) => {
        socket.on('data', (chunk: Buffer) => {
          texts[at] += chunk.toString();
          if (texts[at]!.split('"type"').length > 3) resolve();
        });
        socket.write(`GET ${CONFIG_MAPS}?watch=1&resourceVersion=${resourceVersion} HTTP/1.1\r\nhost: a\r\n\r\n`);
      }),
  );
  await Promise.all(sockets.map((socket) => once(socket, 'data')));
  for (const value of ['1', '2', '3'])
    await send('PATCH', `${CONFIG_MAPS}/small`, `{"data":{"v":"${value}"}}`, {
      'content-type': 'application/merge-patch+json',
    });
  await Promise.all(seen);
  for (const socket of sockets) socket.destroy();
  for (const text of texts) {
    const events = unchunk(text.slice(text.indexOf('\r\n\r\n') + 4))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      events.map(({ object }) => object.data.v),
      ['1', '2', '3'],
    );
  }
});

function unchunk(text: string): string {
  let rest = text;
  let out = '';
  while (rest !== '') {
    const [size = ''] = rest.split('\r\n', 1);
    const length = Number.parseInt(size, 16);
    out += rest.slice(size.length + 2, size.length + 2 + length);
    rest = rest.slice(size.length + 4 + length);
  }
  return out;
}

test('a watcher that reads nothing holds nobody up, and is dropped', async () => {
  const stuck = await open();
  stuck.pause();
  stuck.write(`GET ${CONFIG_MAPS}?watch=1 HTTP/1.1\r\nhost: a\r\n\r\n`);
  const closed = once(stuck, 'close');
  const name = 'busy';
  await send('POST', CONFIG_MAPS, JSON.stringify({ metadata: { name } }));
  const big = 'z'.repeat(1_000_000);
  for (let i = 0; i < 90; i++) {
    const body = JSON.stringify({ data: { v: `${i}${big}` } });
    const { status } = await send('PATCH', `${CONFIG_MAPS}/${name}`, body, {
      'content-type': 'application/merge-patch+json',
    });
    assert.equal(status, 200);
  }
  // Bytes that are already on their way still come.
  stuck.resume();
  await closed;
});
