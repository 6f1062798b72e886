import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { ApiError } from '../../api/errors.ts';
import { UpgradeRefused } from './agent.ts';

/** Answers a request for an upgrade with an error, as plain HTTP, and closes. Unknown errors keep their text to themselves. */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  const { status, contentType, body } = answerOf(error);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  if (status === 401) head.push('WWW-Authenticate: Bearer');
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function answerOf(error: unknown): { status: number; contentType: string; body: string } {
  if (error instanceof UpgradeRefused) {
    return { status: error.status, contentType: error.contentType, body: error.message };
  }
  const known = error instanceof ApiError ? error : new ApiError('InternalError', 'an internal error occurred');
  return { status: known.code, contentType: 'application/json', body: JSON.stringify(known.toStatus()) };
}
