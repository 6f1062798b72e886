import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { UpgradeRefused } from './agent.ts';

const VERSIONS_HEADER = 'x-stream-protocol-version';

/** Throws 403 in Kubernetes' words unless the client speaks `protocol` inside SPDY. */
export function negotiateSpdy(request: IncomingMessage, protocol: string): void {
  const offered = String(request.headers[VERSIONS_HEADER] ?? '')
    .split(',')
    .map((name) => name.trim());
  if (offered.includes(protocol)) return;
  const text = `unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${protocol}]`;
  throw new UpgradeRefused(403, 'text/plain; charset=utf-8', text);
}

export function isSpdy(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'spdy/3.1';
}

/** Answers the upgrade; from here on the socket carries SPDY frames. */
export function acceptSpdy(upgrade: { socket: Duplex; head: Buffer }, protocol: string): Duplex {
  const { socket, head } = upgrade;
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: SPDY/3.1',
    `X-Stream-Protocol-Version: ${protocol}`,
  ];
  (socket as Partial<Socket>).setNoDelay?.(true);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (head.length > 0) socket.unshift(head);
  return socket;
}
