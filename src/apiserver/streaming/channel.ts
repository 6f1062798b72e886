import type { Duplex, Readable, Writable } from 'node:stream';
import { WebSocket } from 'ws';

/** First octet of each frame between API server and agent (KEP-4006). */
export const Channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Said to a client whose session ended without a status from the agent. */
export const AGENT_CLOSED = 'the connection to the node was closed before the session had a result';

/** Octets on their way to a slow agent before its client is stopped. */
const HIGH_WATER_BYTES = 1024 * 1024;

/** Writes each frame to the stream that `route` chooses, and holds the agent back while that stream is full. */
export function onChannelMessages(
  agent: WebSocket,
  route: (channel: number, data: Buffer) => Writable | undefined,
): void {
  agent.on('message', (frame: Buffer) => {
    const data = frame.subarray(1);
    const target = route(frame[0] ?? -1, data);
    if (!target || target.writableEnded || target.destroyed || data.length === 0) return;
    if (target.write(data)) return;
    agent.pause();
    const resume = () => {
      target.off('drain', resume);
      target.off('close', resume);
      if (agent.isPaused) agent.resume();
    };
    target.on('drain', resume);
    target.on('close', resume);
  });
}

/** Ends a session whose client is gone. A paused socket would not read the answer to its goodbye. */
export function closeAgent(agent: WebSocket): void {
  if (agent.isPaused) agent.resume();
  agent.close(1000);
}

/** Sends what a stream brings as frames of `channel`; at its end, the signal that closes the channel. */
export async function sendFrom(source: Duplex | undefined, agent: WebSocket, channel: number): Promise<void> {
  if (!source) return;
  try {
    for await (const chunk of iterate(source)) await send(agent, channel, chunk);
    await send(agent, Channel.close, Buffer.from([channel]));
  } catch {
    // The stream was reset: the client is gone, and with it the session.
  }
}

function iterate(source: Readable): AsyncIterable<Buffer> {
  return source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

function send(agent: WebSocket, channel: number, data: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (agent.readyState !== WebSocket.OPEN) return resolve();
    const full = agent.bufferedAmount > HIGH_WATER_BYTES;
    agent.send(Buffer.concat([Buffer.from([channel]), data]), () => resolve());
    if (!full) resolve();
  });
}
