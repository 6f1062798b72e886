import { WebSocket } from 'ws';

/** Octets on their way to a slow reader before its writer is stopped, and the mark at which it may go on. */
const HIGH_WATER_BYTES = 1024 * 1024;
const LOW_WATER_BYTES = 256 * 1024;

/** Joins two WebSockets: every frame, the back-pressure and the end of one are passed to the other. */
export function joinWebSockets(left: WebSocket, right: WebSocket): void {
  forward(left, right);
  forward(right, left);
}

function forward(from: WebSocket, to: WebSocket): void {
  from.on('message', (data: Buffer, isBinary: boolean) => {
    if (to.readyState !== WebSocket.OPEN) return;
    to.send(data, { binary: isBinary }, () => {
      if (from.isPaused && to.bufferedAmount <= LOW_WATER_BYTES) from.resume();
    });
    if (to.bufferedAmount > HIGH_WATER_BYTES) from.pause();
  });
  from.on('close', (code: number, reason: Buffer) => closeWith(to, code, reason));
  from.on('error', () => closeWith(to, 1011, Buffer.from('the other side failed')));
}

/** Codes below 1000 and some above are never sent: 1005 means "closed without a code", 1006 "lost". */
function closeWith(socket: WebSocket, code: number, reason: Buffer): void {
  if (socket.isPaused) socket.resume();
  if (socket.readyState === WebSocket.CLOSED || socket.readyState === WebSocket.CLOSING) return;
  if (code === 1005) socket.close();
  else if (code === 1006) socket.terminate();
  else socket.close(code, reason);
}
