import { request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { ApiError } from '../../api/errors.ts';
import { SpdyClient } from '../../lib/spdy/client.ts';
import type { SpdyStream } from '../../lib/spdy/connection.ts';

/** Which streams a session has. */
export interface StreamFlags {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

const PROTOCOL = 'v4.channel.k8s.io';
/** Channels of `v5.channel.k8s.io`: the first octet of each WebSocket message. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
const HIGH_WATER_BYTES = 1 << 20;

/** Joins a WebSocket session (`v5.channel.k8s.io`) to a streaming endpoint of the runtime (SPDY, `v4.channel.k8s.io`). */
export async function bridgeStream(socket: WebSocket, url: string, flags: StreamFlags): Promise<void> {
  // What the client says before the runtime listens must not be lost.
  socket.pause();
  const transport = await upgradeToSpdy(url);
  const client = new SpdyClient({ transport });
  socket.once('close', () => client.close());
  const streams = await openStreams(client, flags);
  socket.on('message', (data: Buffer) => onMessage(socket, data, streams));
  socket.resume();
  const outputs = [
    pump(streams.stdout, { socket, channel: CHANNEL.stdout }),
    pump(streams.stderr, { socket, channel: CHANNEL.stderr }),
  ];
  const status = await readAll(streams.error);
  await Promise.all(outputs);
  socket.send(frame(CHANNEL.error, status.length > 0 ? status : CUT_OFF));
  socket.close(1000);
  client.close();
}

const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';

/** Joins a WebSocket to one connection to a port in a pod: channel 0 to it, 1 from it, 3 what went wrong. */
export async function bridgePort(socket: WebSocket, url: string, port: number): Promise<void> {
  socket.pause();
  const client = new SpdyClient({ transport: await upgradeToSpdy(url, PORT_FORWARD_PROTOCOL) });
  socket.once('close', () => client.close());
  const headers = { port: String(port), requestid: '0' };
  const error = await client.open({ ...headers, streamtype: 'error' });
  error.end();
  const data = await client.open({ ...headers, streamtype: 'data' });
  socket.on('message', (message: Buffer) => onMessage(socket, message, { error, stdin: data }));
  socket.resume();
  const [failure] = await Promise.all([readAll(error), pump(data, { socket, channel: CHANNEL.stdout })]);
  if (failure.length > 0) socket.send(frame(CHANNEL.error, failure));
  socket.close(1000);
  client.close();
}

/** The runtime tells how each session ended; without that, nobody knows. */
const CUT_OFF = Buffer.from(
  JSON.stringify(new ApiError('InternalError', 'the stream to the container runtime was cut off').toStatus()),
);

function upgradeToSpdy(url: string, protocol = PROTOCOL): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol };
    const request = httpRequest(url, { method: 'POST', headers });
    request.on('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    request.on('response', (response) => {
      response.resume();
      reject(new Error(`the runtime answered ${response.statusCode} to a stream`));
    });
    request.on('error', reject);
    request.end();
  });
}

interface Streams {
  error: SpdyStream;
  stdin?: SpdyStream;
  stdout?: SpdyStream;
  stderr?: SpdyStream;
  resize?: SpdyStream;
}

async function openStreams(client: SpdyClient, { stdin, stdout, stderr, tty }: StreamFlags): Promise<Streams> {
  const open = (streamtype: string) => client.open({ streamtype });
  const [error, input, output, errors, resize] = await Promise.all([
    open('error'),
    stdin ? open('stdin') : undefined,
    stdout ? open('stdout') : undefined,
    stderr && !tty ? open('stderr') : undefined,
    tty ? open('resize') : undefined,
  ]);
  error!.end();
  return { error: error!, stdin: input, stdout: output, stderr: errors, resize };
}

function onMessage(socket: WebSocket, data: Buffer, streams: Streams): void {
  const payload = data.subarray(1);
  if (data[0] === CHANNEL.stdin) writeInput(socket, streams.stdin, payload);
  else if (data[0] === CHANNEL.resize) streams.resize?.write(payload);
  // A terminal knows no end of its input: the runtime would take it away from the process, with what is still to be said.
  else if (data[0] === CHANNEL.close && payload[0] === CHANNEL.stdin && !streams.resize) streams.stdin?.end();
}

/** A container that does not read makes its client wait. */
function writeInput(socket: WebSocket, stdin: SpdyStream | undefined, payload: Buffer): void {
  if (!stdin?.writable || stdin.write(payload)) return;
  socket.pause();
  const resume = () => {
    stdin.off('drain', resume).off('close', resume);
    if (socket.isPaused) socket.resume();
  };
  stdin.once('drain', resume).once('close', resume);
}

/** Sends what a stream brings; waits while the other side is slow. */
async function pump(stream: SpdyStream | undefined, to: { socket: WebSocket; channel: number }): Promise<void> {
  if (!stream) return;
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      const full = to.socket.bufferedAmount > HIGH_WATER_BYTES;
      const sent = new Promise<void>((resolve) => to.socket.send(frame(to.channel, chunk as Buffer), () => resolve()));
      if (full) await sent;
    }
  } catch {
    // The client hung up.
  }
}

async function readAll(stream: SpdyStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  } catch {
    // The client hung up.
  }
  return Buffer.concat(chunks);
}

function frame(channel: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([channel]), payload]);
}
