import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ApiError } from '../api/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ApiRequest, ApiResponse, FrameStream, UserInfo } from './request.ts';
import { errorResponse } from './respond.ts';
import type { ApiServer } from './server.ts';
import { dropWhenStalled, STALLED_MS } from './traffic/stalled.ts';

/** Where to listen: an address of this network namespace, or a listening socket that was inherited. */
export type ListenAt = { readonly address: string; readonly port: number } | { readonly fd: number };

/** What a connection says of its client. */
export interface Credentials {
  readonly authorization: string | undefined;
  /** Subject of a client certificate that the CA signed. */
  readonly certificate: { readonly commonName: string; readonly organizations: readonly string[] } | undefined;
  /** The client's certificate as it was sent, trusted or not: the same object for all requests of a connection. */
  readonly peer?: X509Certificate | undefined;
  /** Repeated headers apart, as impersonation needs them. */
  readonly headers?: IncomingMessage['headersDistinct'] | undefined;
}

export interface ServeOptions {
  server: ApiServer;
  tls: { cert: string; key: string; ca: string };
  listen: readonly ListenAt[];
  /** Throws Unauthorized. */
  authenticate: (credentials: Credentials) => Promise<UserInfo> | UserInfo;
  /** A connection that asks to leave HTTP (WebSocket, SPDY). */
  onUpgrade?: (upgrade: Upgrade) => void;
  log: Logger;
  signal: AbortSignal;
}

export interface Upgrade {
  readonly request: ApiRequest;
  readonly raw: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** Largest body, in bytes (as Kubernetes: 3 MiB). */
export const BODY_LIMIT_BYTES = 3 * 1024 * 1024;

/** Serves HTTPS until the signal aborts; resolves with the ports once all sockets listen. */
export async function serveHttps(options: ServeOptions): Promise<{ ports: number[] }> {
  const servers = options.listen.map(() => createHttpsServer(options));
  await Promise.all(servers.map((server, index) => listen(server, options.listen[index]!)));
  options.signal.addEventListener(
    'abort',
    () => {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
    { once: true },
  );
  return { ports: servers.map((server) => (server.address() as { port: number }).port) };
}

function createHttpsServer(options: ServeOptions): Server {
  const { cert, key, ca } = options.tls;
  const server = createServer({
    cert,
    key,
    ca,
    requestCert: true,
    rejectUnauthorized: false,
    keepAliveTimeout: 90_000,
    requestTimeout: 60_000,
  });
  server.on('request', (raw, response) => void answer(options, raw, response));
  server.on('upgrade', (raw, socket, head) => void upgrade(options, { raw, socket, head }));
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

function listen(server: Server, at: ListenAt): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen('fd' in at ? { fd: at.fd } : { host: at.address, port: at.port }, resolve);
  });
}

async function answer(options: ServeOptions, raw: IncomingMessage, out: ServerResponse): Promise<void> {
  let response: ApiResponse;
  try {
    response = await options.server.handle(await toRequest(options, raw, () => signalOf(out)));
  } catch (error) {
    response = errorResponse(error, (unexpected) => options.log.error('request failed', { error: unexpected }));
  }
  try {
    await write(await compressed(response, raw.headers['accept-encoding']), out);
  } catch (error) {
    if (!out.closed) options.log.warn('answer was cut off', { path: raw.url, error });
    out.destroy();
  }
}

/** Aborts when the client is gone; a server that stops closes all connections. */
function signalOf(out: ServerResponse): AbortSignal {
  const gone = new AbortController();
  if (out.closed) gone.abort();
  out.once('close', () => gone.abort());
  return gone.signal;
}

async function upgrade(options: ServeOptions, at: Omit<Upgrade, 'request'>): Promise<void> {
  at.socket.on('error', () => at.socket.destroy());
  try {
    const request = await toRequest(options, at.raw, () => options.signal);
    options.server.authorize(request.user, request);
    await options.server.admitConnection(request);
    if (!options.onUpgrade) throw new ApiError('BadRequest', 'this path can not be upgraded');
    options.onUpgrade({ ...at, request });
  } catch (error) {
    refuseUpgrade(
      at.socket,
      errorResponse(error, (unexpected) => options.log.error('upgrade failed', { error: unexpected })),
    );
  }
}

/** Answers a connection that wanted to leave HTTP with an ordinary response. */
export function refuseUpgrade(socket: Duplex, response: ApiResponse): void {
  const body = String(response.body);
  const head = [
    `HTTP/1.1 ${response.status} ${response.status}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Few requests have headers of which authentication wants each value; taking them apart is dear. */
function separateHeaders(raw: IncomingMessage): Credentials['headers'] {
  for (const name in raw.headers) {
    if (name.startsWith('impersonate-') || name === 'sec-websocket-protocol') return raw.headersDistinct;
  }
  return undefined;
}

async function toRequest(
  options: ServeOptions,
  raw: IncomingMessage,
  createSignal: () => AbortSignal,
): Promise<ApiRequest> {
  const url = parseUrl(raw.url ?? '/');
  const socket = raw.socket as TLSSocket;
  const user = await options.authenticate({
    authorization: raw.headers.authorization,
    certificate: certificateOf(socket),
    peer: peerOf(socket),
    headers: separateHeaders(raw),
  });
  let signal: AbortSignal | undefined;
  return {
    method: raw.method ?? 'GET',
    path: url.path,
    query: url.query,
    headers: raw.headers as Record<string, string | undefined>,
    user,
    ...(raw.socket.remoteAddress ? { remoteAddress: raw.socket.remoteAddress } : {}),
    body: bodyReader(raw),
    // Few requests look at it, and it is dear.
    get signal() {
      signal ??= createSignal();
      return signal;
    },
  };
}

/** Split by hand: a URL parser would fold `..` and `//` away, and with them what authorization should see. */
function parseUrl(url: string): { path: string; query: URLSearchParams } {
  const at = url.indexOf('?');
  return at < 0
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}

const certificates = new WeakMap<TLSSocket, Credentials['certificate']>();

/** Read once for all requests of a connection. */
function certificateOf(socket: TLSSocket): Credentials['certificate'] {
  if (!certificates.has(socket)) certificates.set(socket, readCertificate(socket));
  return certificates.get(socket);
}

function readCertificate(socket: TLSSocket): Credentials['certificate'] {
  if (!socket.authorized) return undefined;
  const subject = socket.getPeerCertificate()?.subject;
  if (!subject) return undefined;
  const organizations = subject.O === undefined ? [] : [subject.O].flat();
  return { commonName: [subject.CN].flat()[0] ?? '', organizations };
}

const peers = new WeakMap<TLSSocket, X509Certificate | undefined>();

function peerOf(socket: TLSSocket): X509Certificate | undefined {
  if (!peers.has(socket)) peers.set(socket, socket.getPeerX509Certificate());
  return peers.get(socket);
}

function bodyReader(raw: IncomingMessage): () => Promise<Buffer> {
  let read: Promise<Buffer> | undefined;
  return () => (read ??= readAll(raw));
}

function readAll(raw: IncomingMessage): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let size = 0;
  raw.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= BODY_LIMIT_BYTES) chunks.push(chunk);
    else {
      chunks.length = 0;
      reject(new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${BODY_LIMIT_BYTES}`));
    }
  });
  raw.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
  // A client that goes away in the middle: nobody is left to answer.
  const cutOff = () => reject(new ApiError('BadRequest', 'the body of the request ended early'));
  raw.once('error', cutOff);
  raw.once('close', cutOff);
  return promise;
}

const gzipped = promisify(gzip);
/** Below this, compressing costs more than it saves (as Kubernetes: 128 KiB). */
const COMPRESSED_FROM = 128 * 1024;

/** Large answers of one piece, for clients that take gzip. */
async function compressed(response: ApiResponse, accepted: unknown): Promise<ApiResponse> {
  const { body, headers } = response;
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) return response;
  if (body.length < COMPRESSED_FROM || !/\bgzip\b/.test(String(accepted ?? ''))) return response;
  const encoding = { 'content-encoding': 'gzip', vary: 'Accept-Encoding' };
  return { ...response, headers: { ...headers, ...encoding }, body: await gzipped(body, { level: 1 }) };
}

async function write(response: ApiResponse, out: ServerResponse): Promise<void> {
  const { status, headers, body } = response;
  if (typeof body === 'string' || body instanceof Uint8Array) {
    out.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
    const stop = dropWhenStalled(out, STALLED_MS);
    out.end(body, stop);
    return;
  }
  out.writeHead(status, headers);
  out.flushHeaders();
  if ('attach' in body && out.socket && out.chunkedEncoding) return push(body, out, out.socket);
  for await (const chunk of body) {
    if (!out.write(chunk)) await drained(out);
    if (out.destroyed) return;
  }
  out.end();
}

/** Writes chunks to the socket itself: what many watchers get is framed once for all of them. */
function push(body: FrameStream, out: ServerResponse, socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    let moving = () => {};
    const write = (frames: readonly Uint8Array[]) => {
      const isFree = socket.write(chunkOf(frames));
      if (!isFree) moving = dropWhenStalled(out, STALLED_MS);
      return isFree;
    };
    const stream = body.attach({ write, end: () => out.end(), abort: () => out.destroy() });
    const resume = () => {
      moving();
      stream.resume();
    };
    socket.on('drain', resume);
    out.once('close', () => {
      socket.off('drain', resume);
      stream.close();
      resolve();
    });
  });
}

/** The chunk that begins with a frame, as the last watcher got it. */
const chunks = new WeakMap<Uint8Array, { frames: readonly Uint8Array[]; chunk: Buffer }>();

/** HTTP/1.1 chunk (RFC 9112, section 7.1) of some frames. */
function chunkOf(frames: readonly Uint8Array[]): Buffer {
  const known = chunks.get(frames[0]!);
  if (known?.frames.length === frames.length && known.frames.every((frame, at) => frame === frames[at]))
    return known.chunk;
  const length = frames.reduce((sum, frame) => sum + frame.length, 0);
  const chunk = Buffer.concat([Buffer.from(`${length.toString(16)}\r\n`), ...frames, Buffer.from('\r\n')]);
  chunks.set(frames[0]!, { frames, chunk });
  return chunk;
}

function drained(out: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const stop = dropWhenStalled(out, STALLED_MS);
    const done = () => {
      stop();
      out.off('drain', done);
      out.off('close', done);
      resolve();
    };
    out.on('drain', done);
    out.on('close', done);
  });
}
