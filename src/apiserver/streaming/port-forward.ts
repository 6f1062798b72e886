import type { Duplex } from 'node:stream';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import { ApiError, badRequest } from '../../api/errors.ts';
import type { Node } from '../../api/types.ts';
import { SpdyConnection, type SpdyStream } from '../../lib/spdy/connection.ts';
import { type Agents, MAX_FRAME_BYTES, UpgradeRefused } from './agent.ts';
import { Channel, closeAgent, onChannelMessages, sendFrom } from './channel.ts';
import { findNode, findPod } from './pod.ts';
import { refuseUpgrade } from './refuse.ts';
import type { SessionOptions, UpgradeRequest } from './session.ts';
import { acceptSpdy, isSpdy, negotiateSpdy } from './spdy-upgrade.ts';
import { offeredProtocols } from './websocket.ts';

const PROTOCOL = 'portforward.k8s.io';
/** SPDY frames inside WebSocket messages, as kubectl 1.31 and later ask for (KEP-4006). */
const TUNNEL_PROTOCOL = `SPDY/3.1+${PROTOCOL}`;

/**
 * Serves `kubectl port-forward`: for each forwarded connection the client opens an error and a data stream. To the agent
 * goes one WebSocket each, `/portForward/{namespace}/{pod}?port=`: channel 0 to the pod, 1 from it, 3 an error's text,
 * 255 the end of what the client sends.
 */
export async function servePortForward(options: SessionOptions, upgrade: UpgradeRequest): Promise<void> {
  const { request, socket } = upgrade;
  try {
    if (isSpdy(request)) negotiateSpdy(request, PROTOCOL);
    else checkTunnel(upgrade);
    const target = locatePod(options, upgrade);
    const forward = (port: string, data: SpdyStream, error: SpdyStream) =>
      void forwardConnection({ ...target, agents: options.agents, port, data, error });
    if (isSpdy(request)) acceptConnections(acceptSpdy(upgrade, PROTOCOL), forward);
    else acceptTunnel(upgrade, (transport) => acceptConnections(transport, forward));
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof UpgradeRefused)) options.onUnexpected(error);
    refuseUpgrade(socket, error);
  }
}

function locatePod({ find }: SessionOptions, upgrade: UpgradeRequest): { node: Node; path: string } {
  const pod = findPod(find, upgrade.pod);
  const { namespace, name } = upgrade.pod;
  return { node: findNode(find, pod), path: `/portForward/${[namespace, name].map(encodeURIComponent).join('/')}` };
}

function checkTunnel({ request }: UpgradeRequest): void {
  const offered = offeredProtocols(request);
  if (offered.includes(TUNNEL_PROTOCOL)) return;
  throw badRequest(
    `unable to negotiate a subprotocol: client supports [${offered.join(' ')}], server supports [${TUNNEL_PROTOCOL}]`,
  );
}

/** The protocol's name has a slash, which is no token (RFC 6455, section 4.1): `ws` must not see it. */
function acceptTunnel({ request, socket, head }: UpgradeRequest, onTunnel: (transport: Duplex) => void): void {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES });
  server.on('headers', (lines) => lines.push(`Sec-WebSocket-Protocol: ${TUNNEL_PROTOCOL}`));
  delete request.headers['sec-websocket-protocol'];
  server.handleUpgrade(request, socket, head, (client) => onTunnel(createWebSocketStream(client)));
}

type OnConnection = (port: string, data: SpdyStream, error: SpdyStream) => void;

/** Pairs streams by their `requestid`. */
function acceptConnections(transport: Duplex, onConnection: OnConnection): void {
  const waiting = new Map<string, SpdyStream>();
  new SpdyConnection({
    transport,
    onStream: (stream) => {
      const { streamtype, requestid = '', port = '' } = stream.headers;
      const other = waiting.get(requestid);
      const known = streamtype === 'data' || streamtype === 'error';
      if (!known || !/^\d{1,5}$/.test(port) || other?.headers['streamtype'] === streamtype)
        return void stream.destroy();
      if (!other) {
        waiting.set(requestid, stream);
        stream.once('close', () => waiting.delete(requestid));
        return;
      }
      waiting.delete(requestid);
      if (streamtype === 'data') onConnection(port, stream, other);
      else onConnection(port, other, stream);
    },
    onClose: () => waiting.clear(),
  });
}

interface Forward {
  agents: Agents;
  node: Node;
  path: string;
  port: string;
  data: SpdyStream;
  error: SpdyStream;
}

async function forwardConnection({ agents, node, path, port, data, error }: Forward): Promise<void> {
  // The client sends nothing on the error stream, only its end.
  error.resume();
  try {
    const agent = await agents.open(node, `${path}?port=${port}`);
    join(agent, data, error);
  } catch (failure) {
    const known = failure instanceof ApiError || failure instanceof UpgradeRefused;
    error.end(known ? failure.message : 'an internal error occurred');
    data.end();
    data.resume();
  }
}

function join(agent: WebSocket, data: SpdyStream, error: SpdyStream): void {
  const outputs = new Map([
    [Channel.stdout as number, data],
    [Channel.error as number, error],
  ]);
  onChannelMessages(agent, (channel) => outputs.get(channel));
  agent.once('close', () => {
    data.end();
    error.end();
    data.resume();
  });
  data.once('close', () => closeAgent(agent));
  void sendFrom(data, agent, Channel.stdin);
  if (data.destroyed) closeAgent(agent);
  agent.resume();
}
