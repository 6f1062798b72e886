import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ApiError } from '../api/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ApiRequest, ApiResponse, UserInfo } from './request.ts';
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
  readonly headers?: IncomingMessage['headersDistinct'];
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
  const gone = new AbortController();
  out.on('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, options.signal]);
  let response: ApiResponse;
  try {
    response = await options.server.handle(await toRequest(options, raw, signal));
  } catch (error) {
    response = errorResponse(error, (unexpected) => options.log.error('request failed', { error: unexpected }));
  }
  try {
    await write(await compressed(response, raw.headers['accept-encoding']), out);
  } catch (error) {
    if (!gone.signal.aborted) options.log.warn('answer was cut off', { path: raw.url, error });
    out.destroy();
  }
}

async function upgrade(options: ServeOptions, at: Omit<Upgrade, 'request'>): Promise<void> {
  at.socket.on('error', () => at.socket.destroy());
  try {
    const request = await toRequest(options, at.raw, options.signal);
    options.server.authorize(request.user, request);
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

async function toRequest(options: ServeOptions, raw: IncomingMessage, signal: AbortSignal): Promise<ApiRequest> {
  const url = parseUrl(raw.url ?? '/');
  const user = await options.authenticate({
    authorization: raw.headers.authorization,
    certificate: certificateOf(raw.socket as TLSSocket),
    peer: peerOf(raw.socket as TLSSocket),
    headers: raw.headersDistinct,
  });
  return {
    method: raw.method ?? 'GET',
    path: url.path,
    query: url.query,
    headers: raw.headers as Record<string, string | undefined>,
    user,
    ...(raw.socket.remoteAddress ? { remoteAddress: raw.socket.remoteAddress } : {}),
    body: bodyReader(raw),
    signal,
  };
}

/** Split by hand: a URL parser would fold `..` and `//` away, and with them what authorization should see. */
function parseUrl(url: string): { path: string; query: URLSearchParams } {
  const at = url.indexOf('?');
  return at < 0
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}

function certificateOf(socket: TLSSocket): Credentials['certificate'] {
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

async function readAll(raw: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of raw as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT_BYTES) {
      throw new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${BODY_LIMIT_BYTES}`);
    }
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
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
  for await (const chunk of body) {
    if (!out.write(chunk)) await drained(out);
    if (out.destroyed) return;
  }
  out.end();
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
