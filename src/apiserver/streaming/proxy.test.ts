import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { backThrough } from './proxy.ts';
import { findTarget, parseProxyPath, splitId } from './proxy-target.ts';
import { pair, type StreamingFixture, startFixture, text } from './streaming.fixture.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** One request over HTTPS, as the administrator. */
function ask(
  fixture: StreamingFixture,
  path: string,
  options: { method?: string; body?: string; headers?: object } = {},
): Promise<Answer> {
  const { method = 'GET', body, headers } = options;
  const tls = { ca: text(fixture.files, 'ca.crt'), ...pair(fixture.files, 'admin') };
  return new Promise((resolve, reject) => {
    const sent = httpsRequest({
      host: '127.0.0.1',
      port: fixture.port,
      path,
      method,
      agent: false,
      ...tls,
      headers: { ...headers },
    });
    sent.on('response', (answer) => {
      let all = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (all += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, text: all }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Tells what it was asked; `/big` is long, `/moved` leads on, `/cookies` sets two. */
async function startEcho(): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      if (request.url === '/moved') return response.writeHead(302, { location: '/there?x=1' }).end();
      if (request.url === '/cookies') response.setHeader('set-cookie', ['a=1', 'b=2']);
      if (request.url === '/big') return response.end('x'.repeat(5_000_000));
      response.statusCode = request.url === '/teapot' ? 418 : 200;
      const { authorization, host, 'x-own': own } = request.headers;
      response.end(JSON.stringify({ method: request.method, url: request.url, body, authorization, host, own }));
    });
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request) => {
    socket.send(`at ${request.url}`);
    socket.on('message', (data) => socket.send(`echo ${data}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

async function withEcho(run: (fixture: StreamingFixture, port: number) => Promise<void>): Promise<void> {
  await using fixture = await startFixture();
  const { server, port } = await startEcho();
  try {
    const pod = {
      metadata: { name: 'echo' },
      spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'x', ports: [{ containerPort: port }] }] },
    };
    await fixture.request('POST', '/api/v1/namespaces/default/pods', pod);
    await fixture.request('PUT', '/api/v1/namespaces/default/pods/echo/status', {
      ...pod,
      status: { podIP: '127.0.0.1' },
    });
    const ports = [
      { name: 'http', port: 80, targetPort: port },
      { name: 'other', port: 81 },
    ];
    for (const name of ['echo', 'empty']) {
      await fixture.request('POST', '/api/v1/namespaces/default/services', { metadata: { name }, spec: { ports } });
    }
    await run(fixture, port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const NAMESPACE = '/api/v1/namespaces/default';

test('requests go on to pods', () =>
  withEcho(async (fixture, port) => {
    const rows: [string, string][] = [
      [`pods/echo/proxy/a/b?c=d`, '/a/b?c=d'],
      [`pods/echo:${port}/proxy/`, '/'],
      [`pods/http:echo:${port}/proxy/a%2Fb`, '/a%2Fb'],
    ];
    for (const [path, url] of rows) {
      const { status, text } = await ask(fixture, `${NAMESPACE}/${path}`);
      assert.deepEqual([status, JSON.parse(text).url], [200, url], path);
    }
    const headers = { 'x-own': 'kept', 'content-type': 'text/plain' };
    const posted = await ask(fixture, `${NAMESPACE}/pods/echo/proxy/form`, { method: 'POST', body: 'hello', headers });
    const seen = JSON.parse(posted.text);
    assert.deepEqual([seen.method, seen.body, seen.own, seen.host], ['POST', 'hello', 'kept', `127.0.0.1:${port}`]);
    assert.equal((await ask(fixture, `${NAMESPACE}/pods/echo/proxy/big`)).text.length, 5_000_000);
    assert.equal((await ask(fixture, `${NAMESPACE}/pods/echo/proxy/teapot`)).status, 418);
    const cookies = await ask(fixture, `${NAMESPACE}/pods/echo/proxy/cookies`);
    assert.deepEqual(cookies.headers['set-cookie'], ['a=1', 'b=2']);
    const bare = await ask(fixture, `${NAMESPACE}/pods/echo/proxy?a=b`);
    assert.deepEqual([bare.status, bare.headers.location], [301, `${NAMESPACE}/pods/echo/proxy/?a=b`]);
    const moved = await ask(fixture, `${NAMESPACE}/pods/echo/proxy/moved`);
    assert.deepEqual([moved.status, moved.headers.location], [302, `${NAMESPACE}/pods/echo/proxy/there?x=1`]);
  }));

test('what can not be reached is said in known words', () =>
  withEcho(async (fixture) => {
    const rows: [string, number, RegExp][] = [
      ['pods/nosuch/proxy/', 404, /pods \\"nosuch\\" not found/],
      ['pods/a:b:c:d/proxy/', 400, /invalid pod request \\"a:b:c:d\\"/],
      ['pods/ftp:echo:1/proxy/', 400, /invalid pod request/],
      [
        'pods/echo:1/proxy/',
        503,
        /error trying to reach service: dial tcp 127\.0\.0\.1:1: connect: connection refused/,
      ],
      ['pods/pending/proxy/', 400, /address not allowed/],
      ['services/empty:http/proxy/', 503, /no endpoints available for service \\"empty\\"/],
      ['services/echo:9/proxy/', 503, /no service port 9 found for service \\"echo\\"/],
    ];
    for (const [path, status, message] of rows) {
      const answer = await ask(fixture, `${NAMESPACE}/${path}`);
      assert.equal(answer.status, status, path);
      assert.match(answer.text, message, path);
    }
  }));

test("a node's agent sees that the API server asks", () =>
  withEcho(async (fixture, port) => {
    fixture.agent.onRequest = (request, response) => response.end(`agent ${request.url}`);
    assert.equal((await ask(fixture, '/api/v1/nodes/node-1/proxy/pods?x=y')).text, 'agent /pods?x=y');
    const other = await ask(fixture, `/api/v1/nodes/node-1:${port}/proxy/other`);
    assert.equal(JSON.parse(other.text).url, '/other');
  }));

test('connections that leave HTTP go on too', () =>
  withEcho(async (fixture) => {
    const tls = { ca: text(fixture.files, 'ca.crt'), ...pair(fixture.files, 'admin') };
    const url = `wss://127.0.0.1:${fixture.port}${NAMESPACE}/pods`;
    const socket = new WebSocket(`${url}/echo/proxy/ws?a=b`, tls);
    const heard: string[] = [];
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('message', (data) => {
      heard.push(String(data));
      if (heard.length === 1) socket.send('hello');
      else socket.close();
    });
    await closed;
    assert.deepEqual(heard, ['at /ws?a=b', 'echo hello']);
    const refused = new WebSocket(`${url}/echo:1/proxy/`, tls);
    const error = await new Promise<Error>((resolve) => refused.on('error', resolve));
    assert.match(error.message, /503/);
  }));

test('findTarget() takes the endpoints of a Service in turn', () => {
  const objects: Record<string, object> = {
    '/api/v1/namespaces/default/services/web': {
      metadata: { name: 'web' },
      spec: {
        ports: [
          { name: 'http', port: 80 },
          { name: 'admin', port: 81 },
        ],
      },
    },
    '/api/v1/namespaces/default/endpoints/web': {
      subsets: [
        { addresses: [{ ip: '10.244.0.2' }, { ip: '10.244.0.3' }], ports: [{ name: 'http', port: 8080 }] },
        {
          addresses: [{ ip: '10.244.0.4' }],
          ports: [
            { name: 'http', port: 9090 },
            { name: 'admin', port: 9091 },
          ],
        },
        { notReadyAddresses: [{ ip: '10.244.0.5' }], ports: [{ name: 'admin', port: 9091 }] },
      ],
    },
  };
  let turn = 0;
  const options = { find: (path: string) => objects[path] as never, choose: (count: number) => turn++ % count };
  const target = (id: string) => {
    const { scheme, host, port } = findTarget(
      options,
      parseProxyPath(`/api/v1/namespaces/default/services/${id}/proxy/`)!,
    );
    return `${scheme}://${host}:${port}`;
  };
  const three = ['http://10.244.0.2:8080', 'http://10.244.0.3:8080', 'http://10.244.0.4:9090'];
  assert.deepEqual([target('web:http'), target('web:80'), target('http:web:http')], three);
  assert.equal(target('https:web:admin'), 'https://10.244.0.4:9091');
  assert.throws(() => target('web:8080'), { message: 'no service port 8080 found for service "web"' });
  assert.throws(() => target('web:nosuch'), { message: 'no endpoints available for service "web"' });
});

test('parseProxyPath() keeps what follows as it was sent', () => {
  assert.deepEqual(parseProxyPath('/api/v1/namespaces/a/services/https:b:c/proxy/d%2Fe/'), {
    plural: 'services',
    namespace: 'a',
    id: 'https:b:c',
    prefix: '/api/v1/namespaces/a/services/https:b:c/proxy',
    rest: '/d%2Fe/',
  });
  assert.equal(parseProxyPath('/api/v1/namespaces/a/services/b/proxyfoo'), undefined);
  assert.deepEqual(splitId(':web:80', 'pods'), { scheme: '', name: 'web', port: '80' });
});

test('backThrough() rewrites redirects to the target alone', () => {
  const target = { scheme: 'http', host: '10.244.0.5', port: 8080, agent: false } as const;
  const path = parseProxyPath('/api/v1/namespaces/a/pods/b/proxy/x')!;
  const rows: [string, string][] = [
    ['/login', `${path.prefix}/login`],
    ['http://10.244.0.5:8080/login?a=b#c', `${path.prefix}/login?a=b#c`],
    ['http://10.244.0.5/login', 'http://10.244.0.5/login'],
    ['https://example.org/', 'https://example.org/'],
    ['//example.org/', '//example.org/'],
    ['relative', 'relative'],
  ];
  for (const [location, expected] of rows) assert.equal(backThrough(location, target, path), expected);
});
