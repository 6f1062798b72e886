import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { pair, type StreamingFixture, startFixture, text } from './streaming.fixture.ts';

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
