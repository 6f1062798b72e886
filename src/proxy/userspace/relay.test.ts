import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { type Relay, Room } from './relay.ts';
import { openTcpRelay } from './tcp.ts';
import { openUdpRelay } from './udp.ts';

const ip = '127.0.0.1';
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function serve(onConnection: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, onConnection).listen(0, ip);
  await once(server, 'listening');
  ends.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, ip);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function tcpRelay(ports: readonly number[], room = new Room(100)): Promise<{ relay: Relay; port: number }> {
  const port = await freePort();
  const targets = { endpoints: ports.map((one) => ({ ip, port: one })), affinitySeconds: 0 };
  const relay = await openTcpRelay({ ip, port, targets, clock: systemClock, log: silentLogger, room });
  ends.push(() => relay.close());
  return { relay, port };
}

/** All that is answered until the other side ends. */
async function ask(port: number, question: string): Promise<string> {
  const socket = connect({ port, host: ip, allowHalfOpen: true });
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  socket.end(question);
  await once(socket, 'end');
  return text;
}

/** Answers with all that was said, once the other side has ended. */
function echoAtEnd(socket: Socket): void {
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  socket.on('end', () => socket.end(`heard ${text}`)).on('error', () => {});
}

describe('openTcpRelay', () => {
  it('passes on the end of what a client says, and then the answer', async () => {
    const { port } = await tcpRelay([await serve(echoAtEnd)]);
    assert.equal(await ask(port, 'hello'), 'heard hello');
  });

  it('another endpoint gets the connection when one refuses it', async () => {
    const { port } = await tcpRelay([await freePort(), await serve((socket) => socket.end('second'))]);
    for (let tries = 0; tries < 4; tries++) assert.equal(await ask(port, ''), 'second');
  });

  it('breaks the connection when nobody answers', async () => {
    const { port } = await tcpRelay([await freePort()]);
    await assert.rejects(ask(port, 'x'), /ECONNRESET/);
  });

  it('breaks the connection when the endpoint does', async () => {
    const broken = await serve((socket) => socket.once('data', () => socket.resetAndDestroy()).on('error', () => {}));
    const { port } = await tcpRelay([broken]);
    await assert.rejects(ask(port, 'x'), /ECONNRESET/);
  });

  it('takes no more clients than there is room for', async () => {
    const { port } = await tcpRelay([await serve(echoAtEnd)], new Room(1));
    const first = connect(port, ip);
    first.write('x');
    await once(first, 'connect');
    await assert.rejects(ask(port, 'x'), /ECONNRESET/);
    first.destroy();
    await once(first, 'close');
  });

  it('connections go on when it closes', async () => {
    const { relay, port } = await tcpRelay([await serve(echoAtEnd)]);
    const socket = connect({ port, host: ip, allowHalfOpen: true });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.write('still');
    await once(socket, 'connect');
    relay.close();
    socket.end(' here');
    await once(socket, 'end');
    assert.equal(text, 'heard still here');
    await assert.rejects(ask(port, ''), /ECONNREFUSED/);
  });

  it('rejects when the port is taken', async () => {
    const port = await serve(() => {});
    const targets = { endpoints: [], affinitySeconds: 0 };
    const options = { ip, port, targets, clock: systemClock, log: silentLogger, room: new Room(1) };
    await assert.rejects(openTcpRelay(options), /EADDRINUSE/);
  });
});

/** Answers each datagram with its name and the datagram. */
async function serveUdp(name: string): Promise<number> {
  const socket = createSocket('udp4').bind(0, ip);
  await once(socket, 'listening');
  ends.push(() => socket.close());
  socket.on('message', (message, from) => socket.send(`${name} ${message}`, from.port, from.address));
  return socket.address().port;
}

async function udpRelay(ports: readonly number[]): Promise<{ relay: Relay; port: number }> {
  const port = await freePort();
  const targets = { endpoints: ports.map((one) => ({ ip, port: one })), affinitySeconds: 0 };
  const options = { ip, port, targets, clock: systemClock, log: silentLogger, room: new Room(100) };
  const relay = await openUdpRelay(options);
  ends.push(() => relay.close());
  return { relay, port };
}

async function udpClient(port: number) {
  const socket = createSocket('udp4');
  ends.push(() => socket.close());
  return async (text: string): Promise<string> => {
    const answer = once(socket, 'message');
    socket.send(text, port, ip);
    return String((await answer)[0]);
  };
}

describe('openUdpRelay', () => {
  it('one client stays with one endpoint while it keeps sending, another gets the next', async () => {
    const { port } = await udpRelay([await serveUdp('a'), await serveUdp('b')]);
    const [one, other] = [await udpClient(port), await udpClient(port)];
    const first = (await one('1'))[0];
    assert.equal(await one('2'), `${first} 2`);
    assert.equal(await other('3'), `${first === 'a' ? 'b' : 'a'} 3`);
  });

  it('a datagram that is refused goes to another endpoint', async () => {
    const { port } = await udpRelay([await freePort(), await serveUdp('b')]);
    for (const text of ['1', '2', '3']) assert.equal(await (await udpClient(port))(text), `b ${text}`);
  });

  it('a client moves on when its endpoint is gone', async () => {
    const [a, b] = [await serveUdp('a'), await serveUdp('b')];
    const { relay, port } = await udpRelay([a]);
    const client = await udpClient(port);
    assert.equal(await client('1'), 'a 1');
    relay.setTargets({ endpoints: [{ ip, port: b }], affinitySeconds: 0 });
    assert.equal(await client('2'), 'b 2');
  });
});
