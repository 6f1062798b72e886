import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import { ApiError, badRequest, notFound } from '../../api/errors.ts';
import { pods } from '../../api/kinds/pod.ts';
import type { Pod } from '../../api/types.ts';
import { allContainers } from '../container-config.ts';
import type { ContainerStatus } from '../cri/types.ts';
import { newest, observePod, readySandbox } from '../observe.ts';
import type { AgentOptions } from '../options.ts';
import { podLogDir } from '../pod-memory.ts';
import { readLog } from './logs.ts';
import { bridgePort, bridgeStream } from './stream.ts';

export const AGENT_PORT = 10250;

interface Call {
  readonly action: string;
  readonly pod: Pod;
  readonly container: string;
  readonly query: URLSearchParams;
}

/** Serves logs, exec and attach to clients that the cluster's CA has signed. Resolves when it listens. */
export function serveAgent(options: AgentOptions): Promise<void> {
  const { cert, key, clientCa } = options.tls;
  const server = createServer({ cert, key, ca: clientCa, requestCert: true, rejectUnauthorized: true });
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v5.channel.k8s.io' });
  server.on('request', (request, response) => void answer(options, request, response));
  server.on('upgrade', (request, socket, head) => void upgrade({ options, sockets, request, socket, head }));
  options.signal.addEventListener(
    'abort',
    () => {
      server.close();
      server.closeAllConnections();
      for (const socket of sockets.clients) socket.terminate();
    },
    { once: true },
  );
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.nodeIp, port: AGENT_PORT }, resolve);
  });
}

/** Only the API server may ask: its certificate is in the masters' group. */
function checkClient(request: IncomingMessage): void {
  const subject = (request.socket as TLSSocket).getPeerCertificate()?.subject;
  const groups = subject?.O === undefined ? [] : [subject.O].flat();
  if (!groups.includes('system:masters')) throw new ApiError('Forbidden', 'only the API server may ask a node');
}

async function answer(options: AgentOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    checkClient(request);
    if (request.url === '/healthz') return void response.end('ok');
    if (request.url === '/pods') return writePods(options, response);
    const call = parseCall(options, request.url ?? '');
    if (call.action !== 'containerLogs') throw notFound({ group: '', plural: 'paths' }, request.url ?? '');
    await writeLogs(options, call, response);
  } catch (error) {
    if (!response.headersSent) response.writeHead(statusCode(error), { 'content-type': 'application/json' });
    response.end(toStatus(error));
  }
}

function writePods({ informers, nodeName }: AgentOptions, response: ServerResponse): void {
  const items = informers.of(pods, { fieldSelector: `spec.nodeName=${nodeName}` }).list();
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items }));
}

function parseCall(options: AgentOptions, url: string): Call {
  const { pathname, searchParams: query } = new URL(url, 'https://agent');
  const [, action = '', namespace = '', name = '', container = ''] = pathname.split('/').map(decodeURIComponent);
  const pod = options.informers.of(pods, { fieldSelector: `spec.nodeName=${options.nodeName}` }).get(name, namespace);
  if (!pod) throw notFound(pods, name);
  return { action, pod, container, query };
}

async function writeLogs(options: AgentOptions, call: Call, response: ServerResponse): Promise<void> {
  const { query } = call;
  const status = await containerOf(options, call, query.get('previous') === 'true');
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const follow = query.get('follow') === 'true';
  if (follow) void untilExit(options, status, gone);
  const since = query.get('sinceTime') ? Date.parse(query.get('sinceTime')!) : undefined;
  const sinceSeconds = numberOf(query, 'sinceSeconds');
  const lines = readLog(join(podLogDir(options.stateDir, call.pod), logName(status)), {
    tailLines: numberOf(query, 'tailLines'),
    limitBytes: numberOf(query, 'limitBytes'),
    sinceMs: sinceSeconds === undefined ? since : options.clock.now() - sinceSeconds * 1000,
    timestamps: query.get('timestamps') === 'true',
    follow,
    clock: options.clock,
    signal: gone.signal,
  });
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  for await (const line of lines) {
    if (!response.write(line)) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
  }
  response.end();
}

function logName(status: ContainerStatus): string {
  return `${status.metadata.name}/${status.metadata.attempt}.log`;
}

/** Following ends when the container does. */
async function untilExit(options: AgentOptions, status: ContainerStatus, gone: AbortController): Promise<void> {
  const look = async () => {
    const now = await options.runtime.containerStatus(status.id).catch(() => undefined);
    if (now?.state !== 'CONTAINER_RUNNING') gone.abort();
  };
  const onExit = (id: string) => {
    if (id === status.id) gone.abort();
  };
  const signal = AbortSignal.any([gone.signal, options.signal]);
  options.runtime.watchExits({ onExit, onGap: () => void look() }, signal);
  await look();
}

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  return text === null || !/^\d+$/.test(text) ? undefined : Number(text);
}

async function containerOf(
  options: AgentOptions,
  { pod, container }: Call,
  previous: boolean,
): Promise<ContainerStatus> {
  const observed = await observePod(options.runtime, pod.metadata.uid!);
  const named = observed.containers.filter((status) => status.metadata.name === container);
  const status = previous ? named[1] : named[0];
  if (status) return status;
  const what = `container ${JSON.stringify(container)} in pod ${JSON.stringify(pod.metadata.name)}`;
  if (previous) throw badRequest(`previous terminated ${what} not found`);
  throw badRequest(`${what} is waiting to start: ${whyWaiting(pod, container)}`);
}

const WAITING_TEXTS: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
};

function whyWaiting(pod: Pod, container: string): string {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container);
  const reason = status?.state?.waiting?.reason ?? 'ContainerCreating';
  return WAITING_TEXTS[reason] ?? reason;
}

interface UpgradeCall {
  readonly options: AgentOptions;
  readonly sockets: WebSocketServer;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

async function upgrade({ options, sockets, request, socket, head }: UpgradeCall): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    checkClient(request);
    const call = parseCall(options, request.url ?? '');
    const url = await streamUrl(options, call);
    sockets.handleUpgrade(request, socket, head, (webSocket) => void run({ options, call, url, webSocket }));
  } catch (error) {
    const body = toStatus(error);
    const code = statusCode(error);
    socket.end(
      `HTTP/1.1 ${code} ${code}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  }
}

async function streamUrl(options: AgentOptions, call: Call): Promise<string> {
  const observed = await observePod(options.runtime, call.pod.metadata.uid!);
  if (call.action === 'portForward') {
    const sandbox = readySandbox(observed);
    if (!sandbox) throw new ApiError('InternalError', 'the pod is not running');
    return options.runtime.portForward(sandbox.id, portNumber(call.query));
  }
  const status = newest(observed, call.container);
  if (status?.state !== 'CONTAINER_RUNNING') {
    throw new ApiError('InternalError', `container not found ("${call.container}")`);
  }
  const request = { container_id: status.id, ...flagsOf(call) };
  if (call.action === 'exec') return options.runtime.exec({ ...request, cmd: call.query.getAll('command') });
  if (call.action === 'attach') return options.runtime.attach(request);
  throw notFound({ group: '', plural: 'paths' }, call.action);
}

function portNumber(query: URLSearchParams): number {
  const port = numberOf(query, 'port') ?? 0;
  if (port < 1 || port > 65_535)
    throw badRequest(`port: Invalid value: ${query.get('port')}: must be between 1 and 65535, inclusive`);
  return port;
}

/** Whether a process has a terminal was settled when it was started: who attaches to it can't choose. */
function flagsOf({ action, pod, container, query }: Call) {
  const flag = (name: string) => ['true', '1'].includes(query.get(name) ?? '');
  const tty =
    action === 'attach' ? (allContainers(pod).find(({ name }) => name === container)?.tty ?? false) : flag('tty');
  return { stdin: flag('stdin'), stdout: flag('stdout'), stderr: flag('stderr') && !tty, tty };
}

interface Session {
  readonly options: AgentOptions;
  readonly call: Call;
  readonly url: string;
  readonly webSocket: WebSocket;
}

async function run({ options, call, url, webSocket }: Session): Promise<void> {
  try {
    if (call.action === 'portForward') await bridgePort(webSocket, url, portNumber(call.query));
    else await bridgeStream(webSocket, url, flagsOf(call));
  } catch (error) {
    options.log.warn('stream failed', { pod: call.pod.metadata.name, action: call.action, error });
    webSocket.send(Buffer.concat([Buffer.from([3]), Buffer.from(toStatus(error))]));
    webSocket.close(1011);
  }
}

function statusCode(error: unknown): number {
  return error instanceof ApiError ? error.code : 500;
}

function toStatus(error: unknown): string {
  const known = error instanceof ApiError ? error : new ApiError('InternalError', (error as Error).message);
  return JSON.stringify(known.toStatus());
}
