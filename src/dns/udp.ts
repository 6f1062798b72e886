import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { ServeOptions } from './listen.ts';

const BUFFER_OCTETS = 1 << 20;

/** Opens a UDP socket that answers; rejects with the system's error when the port is taken. */
export async function listenUdp(options: ServeOptions, port: number): Promise<Socket> {
  const { address } = options.listen;
  const socket = createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    // Peers are addresses already: without this every response would wait a tick for a name lookup.
    lookup: (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4),
  });
  const listening = once(socket, 'listening');
  socket.bind({ address, port, exclusive: true });
  await listening.catch((error) => {
    socket.close();
    throw error;
  });
  growBuffer(socket);
  // A response that could not be sent is lost, as any datagram may be: the client asks again.
  socket.on('error', () => {});
  answerUdp(socket, options);
  return socket;
}

/** Bursts wait here while the program does something else; a smaller limit of the system is no error. */
function growBuffer(socket: Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER_OCTETS);
  } catch {
    return;
  }
}

function answerUdp(socket: Socket, { responder }: ServeOptions): void {
  let closed = false;
  socket.on('close', () => {
    closed = true;
  });
  const send = (response: Buffer, port: number, address: string) => {
    if (!closed) socket.send(response, port, address);
  };
  socket.on('message', (packet, { port, address }) => {
    const response = responder.respond(packet, 'udp');
    if (!response) return;
    if (Buffer.isBuffer(response)) send(response, port, address);
    else void response.then((late) => send(late, port, address));
  });
}
