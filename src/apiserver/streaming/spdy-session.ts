import type { WebSocket } from 'ws';
import { ApiError } from '../../api/errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { SpdyConnection, type SpdyStream } from '../../lib/spdy/connection.ts';
import { UpgradeRefused } from './agent.ts';
import { AGENT_CLOSED, Channel, closeAgent, onChannelMessages, sendFrom } from './channel.ts';
import { refuseUpgrade } from './refuse.ts';
import { locate, type SessionOptions, type SessionTarget, type UpgradeRequest } from './session.ts';
import { acceptSpdy, negotiateSpdy } from './spdy-upgrade.ts';

const PROTOCOL = 'v4.channel.k8s.io';
/** How long a client may take to open the streams that it asked for. */
const STREAMS_TIMEOUT_MS = 30_000;

type Streams = ReadonlyMap<string, SpdyStream>;

/** Serves an exec or attach of a SPDY/3.1 client by the same WebSocket to the agent. */
export async function serveSpdy(options: SessionOptions & { clock: Clock }, upgrade: UpgradeRequest): Promise<void> {
  const { socket } = upgrade;
  try {
    negotiateSpdy(upgrade.request, PROTOCOL);
    const target = locate(options.find, upgrade);
    const agent = await options.agents.open(target.node, target.path);
    const transport = acceptSpdy(upgrade, PROTOCOL);
    startSession({ agent, transport, expected: expectedStreams(target), clock: options.clock });
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof UpgradeRefused)) options.onUnexpected(error);
    refuseUpgrade(socket, error);
  }
}

/** Values of the header `streamtype`. */
function expectedStreams({ streams }: SessionTarget): string[] {
  const { stdin, stdout, stderr, tty } = streams;
  const wanted = { error: true, stdin, stdout, stderr, resize: tty };
  return Object.entries(wanted).flatMap(([name, wants]) => (wants ? [name] : []));
}

interface Session {
  agent: WebSocket;
  transport: UpgradeRequest['socket'];
  expected: readonly string[];
  clock: Clock;
}

function startSession({ agent, transport, expected, clock }: Session): void {
  const streams = new Map<string, SpdyStream>();
  const cancelTimeout = clock.after(STREAMS_TIMEOUT_MS, () => transport.destroy());
  const connection = new SpdyConnection({
    transport,
    onStream: (stream) => {
      const type = stream.headers['streamtype'] ?? '';
      if (!expected.includes(type) || streams.has(type)) return void stream.destroy();
      streams.set(type, stream);
      if (streams.size < expected.length) return;
      cancelTimeout();
      bridge(agent, streams, () => connection.end());
    },
    onClose: () => {
      cancelTimeout();
      closeAgent(agent);
    },
  });
}

const OUTPUTS: readonly [string, number][] = [
  ['stdout', Channel.stdout],
  ['stderr', Channel.stderr],
  ['error', Channel.error],
];

function bridge(agent: WebSocket, streams: Streams, onEnd: () => void): void {
  const outputs = new Map(OUTPUTS.map(([name, channel]) => [channel, streams.get(name)]));
  let hasStatus = false;
  onChannelMessages(agent, (channel) => {
    if (channel === Channel.error) hasStatus = true;
    return outputs.get(channel);
  });
  const onClose = () => {
    const lost = new ApiError('InternalError', AGENT_CLOSED).toStatus();
    if (!hasStatus) streams.get('error')?.write(JSON.stringify(lost));
    endAll([...outputs.values()], onEnd);
  };
  if (agent.readyState === agent.CLOSED) return onClose();
  agent.once('close', onClose);
  void sendFrom(streams.get('stdin'), agent, Channel.stdin);
  void sendFrom(streams.get('resize'), agent, Channel.resize);
  agent.resume();
}

function endAll(streams: readonly (SpdyStream | undefined)[], onEnd: () => void): void {
  const open = new Set(streams.filter((stream) => stream !== undefined));
  for (const stream of [...open]) {
    const done = () => {
      open.delete(stream);
      if (open.size === 0) onEnd();
    };
    if (stream.destroyed) done();
    else stream.once('finish', done).once('close', done).end();
  }
}
