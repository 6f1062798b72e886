import type { IncomingMessage } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { WebSocket } from 'ws';
import { ApiError, badRequest } from '../../api/errors.ts';
import type { Node } from '../../api/types.ts';

/** How the API server proves itself to agents, and whom it believes (PEM). */
export interface AgentTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface AgentAddress {
  readonly host: string;
  readonly port: number;
}

/** Answer of an agent that refused an upgrade: handed to the client as it is. */
export class UpgradeRefused extends Error {
  readonly status: number;
  readonly contentType: string;

  constructor(status: number, contentType: string, body: string) {
    super(body);
    this.status = status;
    this.contentType = contentType;
  }
}

/** Requests to the agents of nodes: their HTTPS server with kubelet-like paths. */
export interface Agents {
  /** Opens a WebSocket that is paused; throws ApiError when there is no answer, UpgradeRefused when it is another. */
  open(node: Node, path: string): Promise<WebSocket>;
  /** GET whose body streams; throws ApiError when there is no answer. Aborting ends the body. */
  get(node: Node, path: string, signal: AbortSignal): Promise<IncomingMessage>;
  close(): void;
}

export interface AgentsOptions {
  tls: AgentTls;
  /** Default: the node's InternalIP and `status.daemonEndpoints.kubeletEndpoint`. */
  addressOf?: (node: Node) => AgentAddress;
}

/** What both sides speak: `remotecommand` channels with a close signal (KEP-4006). */
export const CHANNEL_PROTOCOL = 'v5.channel.k8s.io';

const DEFAULT_PORT = 10250;
const DIAL_TIMEOUT_MS = 10_000;
/** Longest frame of a stream, and longest text of a refusal. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;

export function createAgents(options: AgentsOptions): Agents {
  const pool = new Agent({ ...options.tls, keepAlive: true, maxFreeSockets: 16 });
  const addressOf = options.addressOf ?? internalAddress;
  return {
    open: (node, path) => openSocket({ address: addressOf(node), path, tls: options.tls }),
    get: (node, path, signal) => get({ address: addressOf(node), path, agent: pool, signal }),
    close: () => pool.destroy(),
  };
}

/** Throws InternalError for a node that has told no address yet. */
export function internalAddress(node: Node): AgentAddress {
  const { addresses = [], daemonEndpoints } = node.status ?? {};
  const host = addresses.find(({ type }) => type === 'InternalIP')?.address;
  if (!host) throw badRequest(`no preferred addresses found; known addresses: [] of node ${node.metadata.name}`);
  return { host, port: daemonEndpoints?.kubeletEndpoint?.Port || DEFAULT_PORT };
}

interface OpenOptions {
  address: AgentAddress;
  path: string;
  tls: AgentTls;
}

function openSocket({ address, path, tls }: OpenOptions): Promise<WebSocket> {
  const socket = new WebSocket(`wss://${hostPort(address)}${path}`, [CHANNEL_PROTOCOL], {
    ...tls,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    handshakeTimeout: DIAL_TIMEOUT_MS,
  });
  return new Promise((resolve, reject) => {
    socket.once('open', () => {
      socket.off('error', reject);
      socket.pause();
      resolve(socket);
    });
    socket.once('unexpected-response', (_request, response) => {
      readText(response).then((body) => {
        const type = response.headers['content-type'] ?? 'text/plain; charset=utf-8';
        reject(new UpgradeRefused(response.statusCode ?? 500, type, body));
        socket.terminate();
      }, reject);
    });
    socket.on('error', (error) => reject(dialError(error, address)));
  });
}

interface GetOptions {
  address: AgentAddress;
  path: string;
  agent: Agent;
  signal: AbortSignal;
}

function get({ address, path, agent, signal }: GetOptions): Promise<IncomingMessage> {
  const { host, port } = address;
  const options: RequestOptions = { host, port, path, agent, signal, timeout: DIAL_TIMEOUT_MS };
  return new Promise((resolve, reject) => {
    const sent = request(options, (response) => {
      sent.setTimeout(0);
      resolve(response);
    });
    sent.on('timeout', () => sent.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })));
    sent.on('error', (error) => {
      const url = `https://${hostPort(address)}${path}`;
      reject(new ApiError('InternalError', `Get ${JSON.stringify(url)}: ${goDialText(error, address)}`));
    });
    sent.end();
  });
}

/** The text of a short answer; what is beyond the limit is cut off. */
export async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_REFUSAL_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MAX_REFUSAL_BYTES).toString().trim();
}

function dialError(error: Error, address: AgentAddress): ApiError {
  return new ApiError('InternalError', `error dialing backend: ${goDialText(error, address)}`);
}

const DIAL_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ECONNRESET: 'read: connection reset by peer',
  ETIMEDOUT: 'i/o timeout',
};

/** In the words that users of Kubernetes know. */
export function goDialText(error: Error, address: AgentAddress): string {
  const { code = '' } = error as { code?: string };
  const timedOut = /timed out/.test(error.message);
  const text = DIAL_TEXTS[timedOut ? 'ETIMEDOUT' : code];
  return text ? `dial tcp ${hostPort(address)}: ${text}` : error.message;
}

function hostPort({ host, port }: AgentAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
