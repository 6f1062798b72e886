import { createSocket } from 'node:dgram';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';

export interface HeartbeatOptions {
  nodeName: string;
  /** Broadcast address of the LAN. */
  broadcast: string;
  /** Called for what others send: a claim to be checked, anyone on the LAN can send it. */
  onHeard: (claim: { node: string; from: string }) => void;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** UDP. */
export const HEARTBEAT_PORT = 7946;
/** A node that was silent this long is gone: its addresses move. */
export const SILENCE_MS = 1000;
const INTERVAL_MS = 250;
const NODE_NAME_BYTES = 253;

/** Says over and over on the LAN that this node lives, and hears the same of others. Resolves when it listens. */
export async function startHeartbeat(options: HeartbeatOptions): Promise<void> {
  const { nodeName, broadcast, onHeard, clock, log, signal } = options;
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('error', (error) => log.warn('heartbeat', { error: error.message }));
  socket.on('message', (message, { address }) => {
    const node = message.subarray(0, NODE_NAME_BYTES).toString('utf8');
    if (node !== nodeName) onHeard({ node, from: address });
  });
  await new Promise<void>((resolve) => socket.bind(HEARTBEAT_PORT, resolve));
  socket.setBroadcast(true);
  let trouble: string | undefined;
  const told = (error: string | undefined) => {
    if (error && error !== trouble) log.warn('heartbeat', { error });
    trouble = error;
  };
  let cancel = () => {};
  const beat = () => {
    socket.send(nodeName, HEARTBEAT_PORT, broadcast, (error) => told(error?.message));
    cancel = clock.after(INTERVAL_MS, beat);
  };
  beat();
  signal.addEventListener('abort', () => {
    cancel();
    socket.close();
  });
}
