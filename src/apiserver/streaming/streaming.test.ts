import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createRequire } from 'node:module';
import { type Duplex, duplexPair, type Writable } from 'node:stream';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { SpdyClient } from '../../lib/spdy/client.ts';
import type { SpdyStream } from '../../lib/spdy/connection.ts';
import { pair, type StreamingFixture, startFixture, text } from './streaming.fixture.ts';

const { Receiver } = createRequire(import.meta.url)('ws') as { Receiver: new (options: object) => Writable };
const PODS = '/api/v1/namespaces/default/pods';

interface ConnectOptions {
  protocols?: string[];
  certificate?: string;
}

function connect(fixture: StreamingFixture, path: string, options: ConnectOptions = {}): WebSocket {
  const { protocols = ['v5.channel.k8s.io'], certificate = 'admin' } = options;
  const tls = { ca: text(fixture.files, 'ca.crt'), ...pair(fixture.files, certificate) };
  return new WebSocket(`wss://127.0.0.1:${fixture.port}${path}`, protocols, tls);
}

async function refusalOf(socket: WebSocket): Promise<{ status: number; body: string }> {
  socket.on('error', () => {});
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
}

async function get(fixture: StreamingFixture, path: string) {
  const tls = { ca: text(fixture.files, 'ca.crt'), ...pair(fixture.files, 'admin') };
  const sent = httpsRequest({ host: '127.0.0.1', port: fixture.port, path, agent: false, ...tls }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    status: response.statusCode ?? 0,
    type: response.headers['content-type'],
    body: Buffer.concat(chunks).toString(),
  };
}

const messageOf = (body: string) => (JSON.parse(body) as { message: string }).message;

test('exec: frames pass both ways, and the path tells the agent all', async () => {
  await using fixture = await startFixture();
  fixture.agent.onSocket = (socket) => {
    socket.on('message', (data: Buffer) => {
      if (data[0] === 255) socket.send(Buffer.from('\u0003{"status":"Success"}'), () => socket.close(1000, 'done'));
      else socket.send(Buffer.concat([Buffer.from([1]), data.subarray(1)]));
    });
  };
  const socket = connect(
    fixture,
    `${PODS}/web/exec?command=sh&command=-c&command=echo+a%26b&stdin=true&stdout=true&stderr=true&tty=false`,
  );
  const received: string[] = [];
  socket.on('message', (data: Buffer) => {
    received.push(data.toString());
    if (received.length === 1) socket.send(Buffer.from([255, 0]));
  });
  await once(socket, 'open');
  assert.equal(socket.protocol, 'v5.channel.k8s.io');
  socket.send(Buffer.from('\u0000hello'));
  const [code, reason] = await once(socket, 'close');
  assert.deepEqual(received, ['\u0001hello', '\u0003{"status":"Success"}']);
  assert.deepEqual([code, String(reason)], [1000, 'done']);
  assert.deepEqual(fixture.agent.paths, [
    '/exec/default/web/main?command=sh&command=-c&command=echo+a%26b&stdin=true&stdout=true&stderr=true',
  ]);
});

test('attach: a terminal has no stderr; closing the client closes the agent', async () => {
  await using fixture = await startFixture();
  const closed = new Promise<number>((resolve) => {
    fixture.agent.onSocket = (socket) => socket.on('close', resolve);
  });
  const socket = connect(fixture, `${PODS}/two/attach?container=side&stdin=1&stdout=1&stderr=1&tty=1`, {
    protocols: ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io'],
  });
  await once(socket, 'open');
  assert.equal(socket.protocol, 'v4.channel.k8s.io');
  socket.close(1000);
  assert.equal(await closed, 1000);
  assert.deepEqual(fixture.agent.paths, ['/attach/default/two/side?stdin=true&stdout=true&tty=true']);
});

test('exec: an agent that is lost in the middle ends the session', async () => {
  await using fixture = await startFixture();
  fixture.agent.onSocket = (socket) => socket.terminate();
  const socket = connect(fixture, `${PODS}/web/exec?command=x&stdout=1`);
  const [code] = await once(socket, 'close');
  assert.equal(code, 1006);
});

test('exec: a slow client holds the agent back, and all arrives', async () => {
  await using fixture = await startFixture();
  const total = 24 * 1024 * 1024;
  const chunk = Buffer.alloc(64 * 1024, 1);
  let buffered = 0;
  fixture.agent.onSocket = (socket) => {
    let sent = 0;
    const more = () => {
      buffered = Math.max(buffered, socket.bufferedAmount);
      if (sent === total) return socket.close(1000);
      sent += chunk.length;
      socket.send(chunk, more);
    };
    more();
  };
  const socket = connect(fixture, `${PODS}/web/exec?command=yes&stdout=1`);
  let size = 0;
  socket.on('message', (data: Buffer) => {
    size += data.length;
    socket.pause();
    setImmediate(() => socket.resume());
  });
  await once(socket, 'close');
  assert.equal(size, total);
  assert.ok(buffered < total / 2);
});

const REFUSED: [string, string, number, RegExp][] = [
  ['a missing pod', 'nobody/exec?command=x&stdout=1', 404, /^pods "nobody" not found$/],
  [
    'a container that is not there',
    'web/exec?command=x&stdout=1&container=z',
    400,
    /^container z is not valid for pod web$/,
  ],
  [
    'a choice of containers',
    'two/exec?command=x&stdout=1',
    400,
    /must be specified for pod two, choose one of: \[main side\]$/,
  ],
  ['no stream', 'web/exec?command=x', 400, /^you must specify at least 1 of stdin, stdout, stderr$/],
  ['no command', 'web/exec?stdout=1', 400, /at least 1 command/],
  ['a pod without node', 'pending/exec?command=x&stdout=1', 400, /^pod pending does not have a host assigned$/],
  ['a node that is gone', 'lost/exec?command=x&stdout=1', 404, /^nodes "gone" not found$/],
];

test('exec: what can not be is refused before the upgrade', async () => {
  await using fixture = await startFixture();
  for (const [name, path, status, message] of REFUSED) {
    const refusal = await refusalOf(connect(fixture, `${PODS}/${path}`));
    assert.equal(refusal.status, status, name);
    assert.match(messageOf(refusal.body), message, name);
  }
  const old = await refusalOf(
    connect(fixture, `${PODS}/web/exec?command=x&stdout=1`, { protocols: ['channel.k8s.io'] }),
  );
  assert.match(messageOf(old.body), /unable to negotiate a subprotocol: client supports \[channel.k8s.io\]/);
  const plain = await get(fixture, `${PODS}/web/exec?command=x&stdout=1`);
  assert.deepEqual([plain.status, messageOf(plain.body)], [400, 'Upgrade request required']);
});

test('exec: who may not is told so', async () => {
  await using fixture = await startFixture();
  const refusal = await refusalOf(
    connect(fixture, `${PODS}/web/exec?command=x&stdout=1`, { certificate: 'nodes/node-1/kubelet-client' }),
  );
  assert.equal(refusal.status, 403);
  assert.match(messageOf(refusal.body), /cannot get resource "pods\/exec" in API group "" in the namespace "default"/);
});

test("exec: the agent's refusal is handed on; no agent is an error dialing backend", async () => {
  await using fixture = await startFixture();
  fixture.agent.refuse = { status: 404, body: 'container not found ("main")' };
  const path = `${PODS}/web/exec?command=x&stdout=1`;
  assert.deepEqual(await refusalOf(connect(fixture, path)), { status: 404, body: 'container not found ("main")' });
  await fixture.stopAgent();
  const refusal = await refusalOf(connect(fixture, path));
  assert.equal(refusal.status, 500);
  assert.match(
    messageOf(refusal.body),
    /^error dialing backend: dial tcp 127\.0\.0\.1:\d+: connect: connection refused$/,
  );
});

test('logs: the agent’s stream as it comes, with all options', async () => {
  await using fixture = await startFixture();
  fixture.agent.onRequest = (_request, response) => {
    response.write('one\n');
    setImmediate(() => response.end('two\n'));
  };
  const query = 'follow=true&tailLines=5&sinceSeconds=3&timestamps=true&previous=false&limitBytes=9';
  const answer = await get(fixture, `${PODS}/web/log?${query}`);
  assert.deepEqual(answer, { status: 200, type: 'text/plain', body: 'one\ntwo\n' });
  assert.deepEqual(fixture.agent.paths, [
    '/containerLogs/default/web/main?sinceSeconds=3&tailLines=5&limitBytes=9&follow=true&timestamps=true',
  ]);
});

const LOG_ERRORS: [string, string, { status: number; body: string }, number, RegExp][] = [
  ['a bad request', 'web/log', { status: 400, body: 'why' }, 400, /^why$/],
  [
    'a container that waits',
    'two/log?container=side',
    { status: 404, body: 'none' },
    400,
    /^container "side" in pod "two" is waiting to start: trying and failing to pull image$/,
  ],
  ['an inner error', 'web/log', { status: 500, body: 'boom' }, 500, /^Internal error occurred: boom$/],
  [
    'tailLines below zero',
    'web/log?tailLines=-1',
    { status: 200, body: '' },
    422,
    /^PodLogOptions "web" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0$/,
  ],
  ['words for a number', 'web/log?limitBytes=many', { status: 200, body: '' }, 400, /invalid syntax/],
  ['a choice of containers', 'two/log', { status: 200, body: '' }, 400, /choose one of: \[main side\]/],
  ['a missing pod', 'nobody/log', { status: 200, body: '' }, 404, /^pods "nobody" not found$/],
];

test('logs: errors in Kubernetes’ words', async () => {
  await using fixture = await startFixture();
  for (const [name, path, answer, status, message] of LOG_ERRORS) {
    fixture.agent.onRequest = (_request, response) => response.writeHead(answer.status).end(answer.body);
    const { status: actual, body } = await get(fixture, `${PODS}/${path}`);
    assert.equal(actual, status, name);
    assert.match(messageOf(body), message, name);
  }
  assert.deepEqual((await get(fixture, `${PODS}/pending/log`)).body, '');
  await fixture.stopAgent();
  const unreachable = await get(fixture, `${PODS}/web/log`);
  assert.match(
    messageOf(unreachable.body),
    /^Get "https:\/\/127.*dial tcp 127\.0\.0\.1:\d+: connect: connection refused$/,
  );
});

test('logs: a client that goes away ends the agent’s stream', async () => {
  await using fixture = await startFixture();
  const ended = new Promise<void>((resolve) => {
    fixture.agent.onRequest = (_request, response) => {
      response.on('close', () => resolve());
      response.write('first\n');
    };
  });
  const tls = { ca: text(fixture.files, 'ca.crt'), ...pair(fixture.files, 'admin') };
  const sent = httpsRequest({
    host: '127.0.0.1',
    port: fixture.port,
    path: `${PODS}/web/log?follow=1`,
    agent: false,
    ...tls,
  });
  sent.on('error', () => {}).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  await once(response, 'data');
  sent.destroy();
  await ended;
});

async function connectSpdy(fixture: StreamingFixture, path: string, protocol: string): Promise<SpdyClient> {
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol };
  const tls = { ca: text(fixture.files, 'ca.crt'), ...pair(fixture.files, 'admin') };
  const target = { host: '127.0.0.1', port: fixture.port, path, method: 'POST', agent: false as const };
  const sent = httpsRequest({ ...target, headers, ...tls }).end();
  const [response, transport] = (await Promise.race([once(sent, 'upgrade'), once(sent, 'response')])) as [
    IncomingMessage,
    Duplex | undefined,
  ];
  if (response.statusCode !== 101 || !transport) {
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    throw new Error(`${response.statusCode} ${Buffer.concat(chunks)}`);
  }
  return new SpdyClient({ transport, onClose: () => {} });
}

async function textOf(stream: SpdyStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const frame = (channel: number, data: string) => Buffer.concat([Buffer.from([channel]), Buffer.from(data)]);

test('exec over SPDY: streams become channels, the status comes last', async () => {
  await using fixture = await startFixture();
  const fromClient: string[] = [];
  fixture.agent.onSocket = (socket) => {
    socket.on('message', (data: Buffer) => {
      fromClient.push(`${data[0]} ${data[0] === 255 ? data[1] : data.subarray(1)}`);
      if (data[0] !== 255) return;
      socket.send(frame(1, 'out'));
      socket.send(frame(2, 'err'));
      socket.send(frame(3, '{"status":"Success"}'), () => socket.close(1000));
    });
  };
  const query = 'command=x&stdin=1&stdout=1&stderr=1';
  const client = await connectSpdy(fixture, `${PODS}/web/exec?${query}`, 'v5.channel.k8s.io, v4.channel.k8s.io');
  const streams: SpdyStream[] = [];
  for (const streamtype of ['error', 'stdin', 'stdout', 'stderr']) streams.push(await client.open({ streamtype }));
  const [error, stdin, stdout, stderr] = streams as [SpdyStream, SpdyStream, SpdyStream, SpdyStream];
  stdin.end('hello');
  assert.deepEqual(await Promise.all([stdout, stderr, error].map(textOf)), ['out', 'err', '{"status":"Success"}']);
  assert.deepEqual(fromClient, ['0 hello', '255 0']);
});

test('exec over SPDY: an agent that is lost is a failure on the error stream', async () => {
  await using fixture = await startFixture();
  fixture.agent.onSocket = (socket) => socket.terminate();
  const client = await connectSpdy(fixture, `${PODS}/web/exec?command=x&stdout=1`, 'v4.channel.k8s.io');
  const error = await client.open({ streamtype: 'error' });
  const stdout = await client.open({ streamtype: 'stdout' });
  stdout.resume();
  assert.equal((JSON.parse(await textOf(error)) as { status: string }).status, 'Failure');
});

test('exec over SPDY: refusals are plain answers', async () => {
  await using fixture = await startFixture();
  const refused = (path: string, protocol: string) => assert.rejects(connectSpdy(fixture, `${PODS}/${path}`, protocol));
  await refused('nobody/exec?command=x&stdout=1', 'v4.channel.k8s.io');
  await assert.rejects(connectSpdy(fixture, `${PODS}/web/exec?command=x&stdout=1`, 'v2.channel.k8s.io'), {
    message:
      '403 unable to negotiate protocol: client supports [v2.channel.k8s.io], server accepts [v4.channel.k8s.io]',
  });
});

/** By hand: the subprotocol's name is one that `ws` clients refuse to ask for. */
async function connectTunnel(fixture: StreamingFixture): Promise<SpdyClient> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io',
  };
  const tls = { ca: text(fixture.files, 'ca.crt'), ...pair(fixture.files, 'admin') };
  const target = { host: '127.0.0.1', port: fixture.port, path: `${PODS}/web/portforward`, agent: false as const };
  const sent = httpsRequest({ ...target, headers, ...tls }).end();
  const [response, socket] = (await once(sent, 'upgrade')) as [IncomingMessage, Duplex];
  assert.equal(response.headers['sec-websocket-protocol'], 'SPDY/3.1+portforward.k8s.io');
  const [inner, transport] = duplexPair();
  inner.on('data', (data: Buffer) => socket.write(maskedFrame(data)));
  inner.on('end', () => socket.destroy());
  const receiver = new Receiver({ isServer: false });
  receiver.on('message', (data: Buffer) => inner.write(data));
  socket.pipe(receiver);
  return new SpdyClient({ transport, onClose: () => {} });
}

/** A binary message of under 64 KiB; the mask of a test may be all zeros. */
function maskedFrame(data: Buffer): Buffer {
  const header = Buffer.from([0x82, 0x80 | 126, data.length >> 8, data.length & 255, 0, 0, 0, 0]);
  return Buffer.concat(
    data.length < 126 ? [Buffer.from([0x82, 0x80 | data.length, 0, 0, 0, 0]), data] : [header, data],
  );
}

const FORWARDS: [string, (fixture: StreamingFixture) => Promise<SpdyClient>][] = [
  ['over SPDY', (fixture) => connectSpdy(fixture, `${PODS}/web/portforward`, 'portforward.k8s.io')],
  ['through a WebSocket tunnel', connectTunnel],
];

for (const [name, open] of FORWARDS) {
  test(`port-forward ${name}: each connection has its own WebSocket to the agent, and its own end`, async () => {
    await using fixture = await startFixture();
    fixture.agent.onSocket = (socket) => {
      socket.on('message', (data: Buffer) => {
        if (data[0] === 255) socket.close(1000);
        else socket.send(frame(1, `echo ${data.subarray(1)}`));
      });
    };
    const client = await open(fixture);
    for (const requestid of ['0', '1']) {
      const error = await client.open({ streamtype: 'error', port: '80', requestid });
      const data = await client.open({ streamtype: 'data', port: '80', requestid });
      error.end();
      data.end('hello');
      assert.deepEqual(await Promise.all([data, error].map(textOf)), ['echo hello', '']);
    }
    assert.deepEqual(fixture.agent.paths, ['/portForward/default/web?port=80', '/portForward/default/web?port=80']);
    client.close();
  });
}

test('port-forward: what the agent refuses is said on the error stream', async () => {
  await using fixture = await startFixture();
  fixture.agent.refuse = { status: 500, body: 'nothing listens on port 81' };
  const client = await connectTunnel(fixture);
  const error = await client.open({ streamtype: 'error', port: '81', requestid: '7' });
  const data = await client.open({ streamtype: 'data', port: '81', requestid: '7' });
  data.resume();
  assert.equal(await textOf(error), 'nothing listens on port 81');
  client.close();
});

const CLIENTS: [string, (fixture: StreamingFixture) => { destroy: () => void }][] = [
  [
    'WebSocket',
    (fixture) => {
      const socket = connect(fixture, `${PODS}/web/exec?command=x&stdout=1`);
      socket.on('error', () => {});
      return { destroy: () => socket.terminate() };
    },
  ],
  [
    'SPDY',
    (fixture) => {
      const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' };
      const tls = { ca: text(fixture.files, 'ca.crt'), ...pair(fixture.files, 'admin') };
      const target = {
        host: '127.0.0.1',
        port: fixture.port,
        path: `${PODS}/web/exec?command=x&stdout=1`,
        method: 'POST',
      };
      const sent = httpsRequest({ ...target, agent: false, headers, ...tls });
      sent.on('error', () => {}).end();
      return { destroy: () => sent.destroy() };
    },
  ],
];

for (const [name, open] of CLIENTS) {
  test(`exec: a ${name} client that leaves while the agent is dialled leaves nothing behind`, async () => {
    await using fixture = await startFixture();
    const hold = Promise.withResolvers<void>();
    const dialled = new Promise<void>((resolve) => {
      fixture.agent.hold = () => {
        resolve();
        return hold.promise;
      };
    });
    const closed = new Promise<void>((resolve) => {
      fixture.agent.onSocket = (socket) => socket.on('close', () => resolve());
    });
    const client = open(fixture);
    await dialled;
    client.destroy();
    await fixture.untilIdle();
    hold.resolve();
    await closed;
  });
}

test('close: ends sessions, on both sides', async () => {
  await using fixture = await startFixture();
  const agentClosed = new Promise<void>((resolve) => {
    fixture.agent.onSocket = (socket) => socket.on('close', () => resolve());
  });
  const socket = connect(fixture, `${PODS}/web/exec?command=x&stdout=1`);
  await once(socket, 'open');
  fixture.streaming.close();
  await Promise.all([agentClosed, once(socket, 'close')]);
});
