import { type IncomingHttpHeaders, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Duplex } from 'node:stream';
import { ApiError, notFound } from '../../api/errors.ts';
import type { Upgrade } from '../http.ts';
import type { SubresourceHandler } from '../options.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { type AgentTls, goDialText } from './agent.ts';
import {
  findTarget,
  type ProxyPath,
  type ProxyTarget,
  parseProxyPath,
  splitId,
  type TargetOptions,
} from './proxy-target.ts';
import { refuseUpgrade } from './refuse.ts';

export interface ProxyOptions extends TargetOptions {
  /** How the API server proves itself to agents. */
  readonly tls: AgentTls;
  readonly onUnexpected: (error: unknown) => void;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const PLURALS = ['pods', 'services', 'nodes'] as const;

/** The `proxy` subresources of pods, Services and nodes: requests go on to what stands behind them. */
export function proxySubresources(options: ProxyOptions): SubresourceHandler[] {
  return PLURALS.map((plural) => ({
    group: '',
    plural,
    subresource: 'proxy',
    methods: METHODS,
    objectName: (name) => splitId(name, plural).name,
    handle: (request) => proxyRequest(options, request),
  }));
}

/** Headers that are between two neighbours (RFC 9110, section 7.6.1), and what only the API server should see. */
const NOT_PASSED_ON = new Set([
  'authorization',
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

async function proxyRequest(options: ProxyOptions, request: ApiRequest): Promise<ApiResponse> {
  const path = parseProxyPath(request.path);
  if (!path) throw notFound({ group: '', plural: 'paths' }, request.path);
  const query = request.query.size > 0 ? `?${request.query}` : '';
  const bare = path.rest === '' && (request.method === 'GET' || request.method === 'HEAD');
  // Relative links of a page count from a path that ends with a slash.
  if (bare) return { status: 301, headers: { location: `${request.path}/${query}` }, body: '' };
  const target = findTarget(options, path);
  const body = await request.body();
  const headers = passedOn(request.headers, target);
  if (body.length > 0) headers['content-length'] = String(body.length);
  const sent = open(options, target, {
    method: request.method,
    path: `${path.rest || '/'}${query}`,
    headers,
    signal: request.signal,
  });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve);
    sent.on('error', (error) => reject(unreachable(error, target)));
    sent.end(body);
  });
  const response = { status: answer.statusCode ?? 502, headers: answerHeaders(answer.headers, target, path) };
  return { ...response, body: request.method === 'HEAD' ? '' : untilGone(answer) };
}

const TIMEOUT_MS = 30_000;

function open(options: ProxyOptions, target: ProxyTarget, more: RequestOptions) {
  const { host, port, scheme } = target;
  const proof = target.agent ? options.tls : { rejectUnauthorized: false };
  const start = scheme === 'https' ? requestHttps : requestHttp;
  const sent = start({ host, port, agent: false, timeout: TIMEOUT_MS, ...(scheme === 'https' ? proof : {}), ...more });
  sent.on('timeout', () => sent.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })));
  sent.on('response', () => sent.setTimeout(0));
  return sent;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

function passedOn(headers: Headers, { host, port }: ProxyTarget): Record<string, string> {
  const kept = Object.entries(headers).filter(
    ([name, value]) =>
      value !== undefined && !NOT_PASSED_ON.has(name) && !name.startsWith(':') && !name.startsWith('impersonate-'),
  );
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return { ...(Object.fromEntries(kept) as Record<string, string>), host: authority };
}

/** Redirects to the target itself come back through the API server. */
function answerHeaders(headers: IncomingHttpHeaders, target: ProxyTarget, path: ProxyPath): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => !NOT_PASSED_ON.has(name) || name === 'content-length');
  // A cookie has a header of its own: Node takes lists for such.
  const result = Object.fromEntries(kept) as Record<string, string>;
  if (headers.location) result['location'] = backThrough(headers.location, target, path);
  return result;
}

export function backThrough(location: string, { scheme, host, port }: ProxyTarget, { prefix }: ProxyPath): string {
  if (location.startsWith('/') && !location.startsWith('//')) return `${prefix}${location}`;
  const own = URL.canParse(location) ? new URL(location) : undefined;
  if (!own) return location;
  const ownPort = Number(own.port) || (own.protocol === 'https:' ? 443 : 80);
  const same = own.protocol === `${scheme}:` && own.hostname.replace(/^\[|\]$/g, '') === host && ownPort === port;
  return same ? `${prefix}${own.pathname}${own.search}${own.hash}` : location;
}

async function* untilGone(answer: IncomingMessage): AsyncGenerator<Buffer> {
  yield* answer as AsyncIterable<Buffer>;
}

function unreachable(error: Error, target: ProxyTarget): ApiError {
  return new ApiError('ServiceUnavailable', `error trying to reach service: ${goDialText(error, target)}`);
}

/** Passes a connection that leaves HTTP on to its target. False for paths that are no proxy's. */
export function proxyUpgrade(options: ProxyOptions, upgrade: Upgrade): boolean {
  const path = parseProxyPath(upgrade.request.path);
  if (!path) return false;
  try {
    joinUpgrade(options, upgrade, path);
  } catch (error) {
    if (!(error instanceof ApiError)) options.onUnexpected(error);
    refuseUpgrade(upgrade.socket, error);
  }
  return true;
}

function joinUpgrade(options: ProxyOptions, { request, raw, socket, head }: Upgrade, path: ProxyPath): void {
  const target = findTarget(options, path);
  const query = /\?.*$/.exec(raw.url ?? '')?.[0] ?? '';
  const headers = { ...passedOn(request.headers, target), connection: 'Upgrade', upgrade: raw.headers.upgrade ?? '' };
  const sent = open(options, target, { method: request.method, path: `${path.rest || '/'}${query}`, headers });
  socket.once('close', () => sent.destroy());
  sent.on('error', (error) => refuseUpgrade(socket, unreachable(error, target)));
  sent.on('upgrade', (answer, upstream, first) => {
    socket.write(headOf(answer, answer.rawHeaders));
    if (first.length > 0) socket.write(first);
    if (head.length > 0) upstream.write(head);
    join(socket, upstream);
  });
  sent.on('response', (answer) => {
    const lines = Object.entries(answerHeaders(answer.headers, target, path)).flatMap(([name, value]) =>
      [value].flat().flatMap((one) => [name, one]),
    );
    socket.write(headOf(answer, [...lines, 'connection', 'close']));
    answer.pipe(socket);
  });
  sent.end();
}

function headOf({ statusCode, statusMessage }: IncomingMessage, headers: readonly string[]): string {
  const lines = headers.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${headers[index + 1]}`] : []));
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** Two connections as one: data, back-pressure, ends and failures. */
function join(left: Duplex, right: Duplex): void {
  left.pipe(right);
  right.pipe(left);
  for (const [from, to] of [
    [left, right],
    [right, left],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}
