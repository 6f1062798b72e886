import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { dropWhenStalled } from './stalled.ts';

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { server, socket };
}

test('a client that reads nothing is dropped; one that waits for more is not', async () => {
  const closed = Promise.withResolvers<void>();
  const { server, socket } = await serve((_, response) => {
    response.on('close', () => closed.resolve());
    response.writeHead(200);
    while (response.write(Buffer.alloc(1 << 20)));
    dropWhenStalled(response, 20);
  });
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await closed.promise;
  socket.destroy();
  server.close();
});

test('what has ended in time is left alone', async () => {
  const { server, socket } = await serve((_, response) => {
    const stop = dropWhenStalled(response, 20);
    stop();
    assert.equal(response.listenerCount('timeout'), 0);
    response.end('done');
  });
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  assert.match(text, /done$/);
  server.close();
});
