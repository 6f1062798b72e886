import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { SpdyConnection, type SpdyStream } from './connection.ts';
import {
  controlFrame,
  dataFrame,
  FLAG_FIN,
  PING,
  RST_STREAM,
  readFrames,
  resetFrame,
  SYN_REPLY,
  SYN_STREAM,
} from './frames.ts';
import { HeaderReader, HeaderWriter, uint32 } from './headers.ts';

interface ForeignStream extends Duplex {
  readonly id: number;
}
interface ForeignConnection {
  start(version: number): void;
  on(event: string, listener: (...args: never[]) => void): void;
  request(uri: object): ForeignStream;
}
/** Another implementation of the protocol: what it writes, this one must read, and the other way round. */
const foreign = createRequire(import.meta.url)('spdy-transport') as {
  connection: { create(socket: Duplex, options: object): ForeignConnection };
};

function startPair(onStream: (stream: SpdyStream) => void) {
  const [client, transport] = duplexPair();
  const closed = new Promise<Error | undefined>((resolve) => {
    new SpdyConnection({ transport, onStream, onClose: resolve });
  });
  return { client, closed };
}

test('SpdyConnection: echoes a foreign client on several streams, with headers and half-closes', async () => {
  const seen: string[] = [];
  const { client, closed } = startPair((stream) => {
    seen.push(stream.headers['streamtype'] ?? '');
    stream.pipe(stream);
  });
  const connection = foreign.connection.create(client, { protocol: 'spdy', isServer: false });
  connection.start(3.1);
  for (const type of ['data', 'error', 'data']) {
    const stream = connection.request({ method: 'POST', host: 'x', path: '/', headers: { Streamtype: type } });
    stream.end(`hello ${type} ${stream.id}`);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    assert.equal(Buffer.concat(chunks).toString(), `hello ${type} ${stream.id}`);
  }
  assert.deepEqual(seen, ['data', 'error', 'data']);
  client.destroy();
  await closed;
});

/** A client of frames, for what a proper one would never send. */
async function rawClient(onStream: (stream: SpdyStream) => void) {
  const { client, closed } = startPair(onStream);
  const writer = new HeaderWriter();
  const frames = readFrames(client);
  const open = async (id: number, flags = 0) => {
    const block = await writer.write({ ':method': 'POST', Streamtype: 'stdin' });
    client.write(controlFrame(SYN_STREAM, Buffer.concat([uint32(id), uint32(0), Buffer.alloc(2), block]), flags));
  };
  const next = async () => (await frames.next()).value;
  return { client, closed, open, next };
}

test('SpdyConnection: replies, answers pings, resets what it does not know', async () => {
  const { client, open, next, closed } = await rawClient(() => {});
  await open(1);
  const reply = await next();
  assert.ok(reply && !reply.data && reply.type === SYN_REPLY && reply.payload.readUInt32BE(0) === 1);
  assert.deepEqual(await new HeaderReader().read(reply.payload.subarray(4)), Object.create(null));
  client.write(controlFrame(PING, uint32(7)));
  const pong = await next();
  assert.ok(pong && !pong.data && pong.type === PING && pong.payload.readUInt32BE(0) === 7);
  client.write(dataFrame(99, Buffer.from('x')));
  const reset = await next();
  assert.ok(reset && !reset.data && reset.type === RST_STREAM && reset.payload.readUInt32BE(0) === 99);
  client.end();
  assert.equal(await closed, undefined);
});

test('SpdyStream: a reset ends it, and the rest of the connection goes on', async () => {
  const streams: SpdyStream[] = [];
  const { client, open, next } = await rawClient((stream) => streams.push(stream));
  await open(1);
  await next();
  const ended = once(streams[0]!, 'close');
  client.write(resetFrame(1, 5));
  await ended;
  await open(3);
  const answers = [await next(), await next()];
  assert.ok(
    answers.some((frame) => frame && !frame.data && frame.type === SYN_REPLY && frame.payload.readUInt32BE(0) === 3),
  );
  client.destroy();
});

test('SpdyStream: while nobody reads, the connection is not read either', async () => {
  let stream!: SpdyStream;
  const { client, open, next } = await rawClient((opened) => (stream = opened));
  await open(1);
  await next();
  const chunk = Buffer.alloc(32 * 1024, 'a');
  let written = 0;
  while (written < 100 && client.write(dataFrame(1, chunk))) written++;
  assert.ok(written < 100, 'the writer was never held back');
  client.write(dataFrame(1, Buffer.alloc(0), FLAG_FIN));
  let size = 0;
  for await (const part of stream) size += (part as Buffer).length;
  assert.equal(size, (written + 1) * chunk.length);
  client.destroy();
});

const BROKEN: [string, Buffer | (() => Promise<Buffer>), RegExp][] = [
  ['another version', Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0]), /SPDY version 2, expected 3/],
  ['a frame too long', Buffer.from([0, 0, 0, 1, 0, 0xff, 0xff, 0xff]), /SPDY frame of 16777215 bytes/],
  ['damaged headers', controlFrame(SYN_STREAM, Buffer.alloc(20, 0x55)), /header|inflate|dictionary|Z_/i],
  ['a stream of the server’s', () => synStream(2, { a: 'b' }), /out of order/],
  ['headers that inflate without end', () => synStream(1, { a: 'x'.repeat(200_000) }), /larger than/],
];

async function synStream(id: number, headers: Record<string, string>): Promise<Buffer> {
  const block = await new HeaderWriter().write(headers);
  return controlFrame(SYN_STREAM, Buffer.concat([uint32(id), uint32(0), Buffer.alloc(2), block]));
}

for (const [name, bytes, message] of BROKEN) {
  test(`SpdyConnection: ${name} ends the connection, not the process`, async () => {
    const { client, closed } = startPair(() => {});
    client.on('error', () => {});
    client.write(typeof bytes === 'function' ? await bytes() : bytes);
    assert.match(String((await closed)?.message), message);
  });
}
