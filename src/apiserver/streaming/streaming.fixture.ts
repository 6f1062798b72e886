import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { registry } from '../../api/registry.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { type PkiFiles, planPki } from '../../pki/plan.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { createAuth } from '../auth/extension.ts';
import { Catalog } from '../catalog.ts';
import { serveHttps } from '../http.ts';
import { inProcessTransport } from '../in-process.ts';
import { decodeProtobuf } from '../protobuf/decode.ts';
import { createApiServer } from '../server.ts';
import { createStreaming, type Streaming } from './extension.ts';

/** What the stand-in for a node's agent does with a request; it checks certificates like the real one. */
export interface FakeAgent {
  onSocket: (socket: WebSocket, request: IncomingMessage) => void;
  onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** When set, upgrades wait for what it returns. */
  hold?: () => Promise<void>;
  /** When set, upgrades are refused with this. */
  refuse?: { status: number; body: string };
  readonly paths: string[];
}

export interface StreamingFixture extends AsyncDisposable {
  readonly streaming: Streaming;
  /** Resolves when the connections of all clients that asked for an upgrade are closed. */
  untilIdle(): Promise<void>;
  readonly agent: FakeAgent;
  readonly files: PkiFiles;
  readonly port: number;
  request(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }>;
  stopAgent(): Promise<void>;
}

/** API server with authentication and streaming on a loopback port, one node with a fake agent, and the pod `default/web`. */
export async function startFixture(): Promise<StreamingFixture> {
  const node = { name: 'node-1', addresses: ['127.0.0.1'] };
  const { files } = planPki({ existing: new Map(), clock: systemClock, serverAddresses: [], nodes: [node] });
  const { agent, server: agentServer } = await startAgent(files);
  const agentPort = (agentServer.address() as AddressInfo).port;
  const stop = new AbortController();
  const { port, request, streaming, untilIdle } = await startServer(files, agentPort, stop.signal);
  for (const [method, path, body] of OBJECTS) await request(method, path, body);
  const stopAgent = () => closeServer(agentServer);
  return {
    streaming,
    untilIdle,
    agent,
    files,
    port,
    request,
    stopAgent,
    async [Symbol.asyncDispose]() {
      stop.abort();
      streaming.close();
      await stopAgent();
    },
  };
}

async function startServer(files: PkiFiles, agentPort: number, signal: AbortSignal) {
  const decoders = { 'application/vnd.kubernetes.protobuf': (body: Buffer) => decodeProtobuf(body).object };
  const find = (path: string) => server.locate(path)?.object;
  const base = { clock: systemClock, log: silentLogger, find, decoders, store: createMemoryStore() };
  const auth = createAuth({ ...base, clientCaPem: text(files, 'ca.crt'), signingKeyPem: text(files, 'sa.key') });
  const streaming = createStreaming({
    ...base,
    tls: { ca: text(files, 'ca.crt'), ...pair(files, 'apiserver-kubelet-client') },
    addressOf: () => ({ host: '127.0.0.1', port: agentPort }),
  });
  const server = createApiServer({
    ...base,
    catalog: new Catalog(registry),
    random: () => 0.5,
    authorize: auth.authorize,
    subresources: [...auth.subresources, ...streaming.subresources],
    paths: auth.paths,
  });
  const closed: Promise<unknown>[] = [];
  const { ports } = await serveHttps({
    server,
    tls: { ca: text(files, 'ca.crt'), ...pair(files, 'apiserver') },
    listen: [{ address: '127.0.0.1', port: 0 }],
    authenticate: auth.authenticate,
    onUpgrade(upgrade) {
      if (!upgrade.socket.destroyed) closed.push(new Promise((resolve) => upgrade.socket.once('close', resolve)));
      streaming.onUpgrade(upgrade);
    },
    log: silentLogger,
    signal,
  });
  const transport = inProcessTransport(server, { username: 'admin', groups: ['system:masters'] });
  const request = async (method: string, path: string, body?: unknown) => {
    const answer = await transport({ method, path, body: body === undefined ? '' : JSON.stringify(body) });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    return { status: answer.status, text: Buffer.concat(chunks).toString() };
  };
  const untilIdle = async () => void (await Promise.all(closed));
  return { port: ports[0]!, request, streaming, untilIdle };
}

async function startAgent(files: PkiFiles): Promise<{ agent: FakeAgent; server: Server }> {
  const agent: FakeAgent = { onSocket: () => {}, onRequest: () => {}, paths: [] };
  const server = createServer({
    ca: text(files, 'ca.crt'),
    ...pair(files, 'nodes/node-1/kubelet'),
    requestCert: true,
    rejectUnauthorized: true,
  });
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v5.channel.k8s.io' });
  server.on('upgrade', (request, socket, head) => {
    agent.paths.push(request.url ?? '');
    if (agent.refuse) {
      const { status, body } = agent.refuse;
      socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
      return;
    }
    void Promise.resolve(agent.hold?.()).then(() =>
      sockets.handleUpgrade(request, socket, head, (client) => agent.onSocket(client, request)),
    );
  });
  server.on('request', (request, response) => {
    agent.paths.push(request.url ?? '');
    agent.onRequest(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { agent, server };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

export function text(files: PkiFiles, path: string): string {
  return files.get(path) ?? '';
}

export function pair(files: PkiFiles, name: string): { cert: string; key: string } {
  return { cert: text(files, `${name}.crt`), key: text(files, `${name}.key`) };
}

const PODS = '/api/v1/namespaces/default/pods';
const container = (name: string) => ({ name, image: 'busybox' });
const running = {
  phase: 'Running',
  containerStatuses: [
    { name: 'main', image: 'busybox', imageID: '', ready: true, restartCount: 0, state: { running: {} } },
    {
      name: 'side',
      image: 'busybox',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: { waiting: { reason: 'ImagePullBackOff' } },
    },
  ],
};
const web = { metadata: { name: 'web' }, spec: { nodeName: 'node-1', containers: [container('main')] } };
const two = {
  metadata: { name: 'two' },
  spec: { nodeName: 'node-1', containers: [container('main'), container('side')] },
};
const OBJECTS: readonly [string, string, unknown][] = [
  ['POST', '/api/v1/namespaces', { metadata: { name: 'default' } }],
  ['POST', '/api/v1/nodes', { metadata: { name: 'node-1' } }],
  ['POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } }],
  ['POST', PODS, web],
  ['PUT', `${PODS}/web/status`, { ...web, status: running }],
  ['POST', PODS, two],
  ['PUT', `${PODS}/two/status`, { ...two, status: running }],
  ['POST', PODS, { metadata: { name: 'pending' }, spec: { containers: [container('main')] } }],
  ['POST', PODS, { metadata: { name: 'lost' }, spec: { nodeName: 'gone', containers: [container('main')] } }],
];
