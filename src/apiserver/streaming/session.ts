import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { ApiError, badRequest } from '../../api/errors.ts';
import type { Node } from '../../api/types.ts';
import { type Agents, CHANNEL_PROTOCOL, MAX_FRAME_BYTES, UpgradeRefused } from './agent.ts';
import { joinWebSockets } from './pipe.ts';
import { chooseContainer, type FindObject, findNode, findPod, flag, type PodName } from './pod.ts';
import { refuseUpgrade } from './refuse.ts';
import { offeredProtocols } from './websocket.ts';

export interface SessionOptions {
  find: FindObject;
  agents: Agents;
  /** For errors that nobody foresaw. */
  onUnexpected: (error: unknown) => void;
}

/** An upgrade request for a pod's subresource; who asks has been authenticated and authorized. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly pod: PodName;
  readonly subresource: 'exec' | 'attach' | 'portforward';
  readonly query: URLSearchParams;
}

/** Where a session goes, and which streams it has. */
export interface SessionTarget {
  readonly node: Node;
  /** On the agent. */
  readonly path: string;
  readonly streams: { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean };
}

/** Subprotocols with the same frames: the fifth adds a close signal to the fourth. */
const PROTOCOLS = [CHANNEL_PROTOCOL, 'v4.channel.k8s.io'];

/** Serves an exec or attach over WebSocket: the agent is dialled first, so that its errors are plain HTTP answers. */
export async function serveWebSocket(options: SessionOptions, upgrade: UpgradeRequest): Promise<void> {
  const { socket } = upgrade;
  const onLost = () => socket.destroy();
  socket.on('error', onLost);
  try {
    checkProtocols(upgrade.request);
    const target = locate(options.find, upgrade);
    const agent = await options.agents.open(target.node, target.path);
    socket.off('error', onLost);
    accept(upgrade, agent);
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof UpgradeRefused)) options.onUnexpected(error);
    refuseUpgrade(socket, error);
  }
}

/** Pod, container and node of a session, and the streams it asks for. */
export function locate(find: FindObject, upgrade: UpgradeRequest): SessionTarget {
  const { pod: name, query, subresource } = upgrade;
  const pod = findPod(find, name);
  const container = chooseContainer(pod, query.get('container') ?? '');
  const streams = streamsOf(query);
  const node = findNode(find, pod);
  const parameters = agentQuery(upgrade, streams);
  const parts = [subresource, name.namespace, name.name, container].map(encodeURIComponent);
  return { node, path: `/${parts.join('/')}?${parameters}`, streams };
}

function streamsOf(query: URLSearchParams): SessionTarget['streams'] {
  const tty = flag(query, 'tty');
  // A terminal has one output only.
  const streams = {
    stdin: flag(query, 'stdin'),
    stdout: flag(query, 'stdout'),
    stderr: flag(query, 'stderr') && !tty,
    tty,
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr) {
    throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
  }
  return streams;
}

function agentQuery({ query, subresource }: UpgradeRequest, streams: SessionTarget['streams']): URLSearchParams {
  const commands = subresource === 'exec' ? query.getAll('command') : [];
  if (subresource === 'exec' && commands.length === 0) throw badRequest('you must specify at least 1 command');
  const asked = Object.entries(streams).filter(([, wanted]) => wanted);
  return new URLSearchParams([
    ...commands.map((command): [string, string] => ['command', command]),
    ...asked.map(([name]): [string, string] => [name, 'true']),
  ]);
}

function checkProtocols(request: IncomingMessage): void {
  const offered = offeredProtocols(request);
  if (!offered.some((protocol) => PROTOCOLS.includes(protocol))) {
    throw badRequest(
      `unable to negotiate a subprotocol: client supports ${list(offered)}, server supports ${list(PROTOCOLS)}`,
    );
  }
}

function list(protocols: readonly string[]): string {
  return `[${protocols.join(' ')}]`;
}

function accept({ request, socket, head }: UpgradeRequest, agent: WebSocket): void {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    handleProtocols: (offered) => PROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
  });
  // A handshake that `ws` refuses, or whose socket is gone, never calls back.
  const onGone = () => agent.terminate();
  if (socket.destroyed) return onGone();
  agent.on('error', () => socket.destroy());
  socket.once('close', onGone);
  server.handleUpgrade(request, socket, head, (client) => {
    socket.off('close', onGone);
    joinWebSockets(client, agent);
    agent.resume();
  });
}
