import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { ServeOptions } from './listen.ts';

/** A listening server with its open connections. */
export type TcpServer = Server & { sockets: Set<Socket> };

/** Opens a TCP port that answers; rejects with the system's error when it is taken. */
export async function listenTcp(options: ServeOptions): Promise<TcpServer> {
  const { listen, metrics, limits } = options;
  const sockets = new Set<Socket>();
  const server = Object.assign(createServer({ noDelay: true, allowHalfOpen: true }), { sockets });
  server.on('connection', (socket) => {
    if (sockets.size >= limits.tcpConnections) {
      metrics.tcpConnections.refused++;
      return void socket.destroy();
    }
    sockets.add(socket);
    metrics.tcpConnections.accepted++;
    metrics.tcpConnections.open = sockets.size;
    socket.on('close', () => {
      sockets.delete(socket);
      metrics.tcpConnections.open = sockets.size;
    });
    answerTcp(socket, options);
  });
  server.listen({ host: listen.address, port: listen.port });
  await once(server, 'listening');
  server.on('error', () => {});
  return server;
}

/** Answers queries as they come, several at once and each as soon as it is ready (RFC 7766, 6.2.1.1). */
function answerTcp(socket: Socket, options: ServeOptions): void {
  const { clock, limits } = options;
  const state: Connection = { socket, options, buffered: Buffer.alloc(0), pending: 0, ended: false };
  let cancelIdle = () => {};
  const restartIdle = () => {
    cancelIdle();
    cancelIdle = clock.after(limits.tcpIdleMs, () => socket.destroy());
  };
  restartIdle();
  socket.on('data', (chunk) => {
    state.buffered = state.buffered.length === 0 ? chunk : Buffer.concat([state.buffered, chunk]);
    if (drain(state)) restartIdle();
  });
  socket.on('drain', () => drain(state));
  socket.on('end', () => {
    state.ended = true;
    closeIfDone(state);
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => cancelIdle());
}

interface Connection {
  readonly socket: Socket;
  readonly options: ServeOptions;
  /** What has been received and not been taken as a message: less than one message, unless reading is paused. */
  buffered: Buffer;
  pending: number;
  ended: boolean;
}

/** Takes whole messages until the client reads too slowly or too many wait; true when there was one. */
function drain(state: Connection): boolean {
  let took = false;
  while (!isBusy(state) && !state.socket.destroyed) {
    const message = takeMessage(state);
    if (!message) break;
    took = true;
    answerOne(state, message);
  }
  if (isBusy(state)) state.socket.pause();
  else state.socket.resume();
  return took;
}

function isBusy({ socket, pending, options }: Connection): boolean {
  return socket.writableNeedDrain || pending >= options.limits.tcpPending;
}

function takeMessage(state: Connection): Buffer | undefined {
  const { buffered } = state;
  if (buffered.length < 2) return undefined;
  const end = 2 + buffered.readUInt16BE(0);
  if (buffered.length < end) return undefined;
  state.buffered = buffered.subarray(end);
  return buffered.subarray(2, end);
}

function answerOne(state: Connection, message: Buffer): void {
  const response = state.options.responder.respond(message, 'tcp');
  // What deserves no response over UDP is no DNS at all on a connection.
  if (!response) return void state.socket.destroy();
  if (Buffer.isBuffer(response)) return send(state.socket, response);
  state.pending++;
  void response.then((late) => {
    state.pending--;
    send(state.socket, late);
    drain(state);
    closeIfDone(state);
  });
}

function send(socket: Socket, response: Buffer): void {
  if (socket.destroyed) return;
  const length = Buffer.allocUnsafe(2);
  length.writeUInt16BE(response.length, 0);
  socket.cork();
  socket.write(length);
  socket.write(response);
  socket.uncork();
}

/** The client may have said all it will, and still waits for answers. */
function closeIfDone({ socket, pending, ended }: Connection): void {
  if (ended && pending === 0) socket.end();
}
