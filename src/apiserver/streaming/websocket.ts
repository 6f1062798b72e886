import type { IncomingMessage } from 'node:http';

/** Names of the `Sec-WebSocket-Protocol` header. */
export function offeredProtocols(request: IncomingMessage): string[] {
  const header = request.headers['sec-websocket-protocol'] ?? '';
  return header.split(',').map((protocol) => protocol.trim());
}
