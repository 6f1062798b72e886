import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect as connectH2, createServer as createH2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { configMaps } from '../../src/api/kinds/configmap.ts';
import { events } from '../../src/api/kinds/event.ts';
import { secrets } from '../../src/api/kinds/secret.ts';
import { services } from '../../src/api/kinds/service.ts';
import { identify, isAlive } from '../../src/host/process.ts';
import { CONTROLLER } from '../../src/ingress/classes.ts';
import { ingress, nginx, tlsSecret } from '../../src/ingress/ingress.fixture.ts';
import { ADDRESS, echoServer, enterOwnNetwork, IngressWorld, whyNoHaproxy } from './ingress-fixture.ts';

const DEFAULT = 'default';

describe('Ingress with a real HAProxy', { skip: whyNoHaproxy() ?? false }, () => {
  let world: IngressWorld;
  before(async () => {
    await enterOwnNetwork();
    world = await IngressWorld.start();
    await world.serve('web', ['10.244.0.1', '10.244.0.2']);
    await world.serve('other', ['10.244.0.3']);
    await world.apply(ingress({ name: 'first', rules: { 'first.example': ['/ web:8080'] } }));
    await world.until('http://first.example/', {});
  });
  after(() => world.stop());

  /** Resolves when `change` is in force, and checks that HAProxy was not loaded anew for it. */
  async function withoutReload(change: () => Promise<void>): Promise<void> {
    const generation = await world.generation();
    await change();
    assert.equal(await world.generation(), generation);
  }

  describe('without a reload', () => {
    test('routes come, change and go', () =>
      withoutReload(async () => {
        await world.apply(ingress({ name: 'r', rules: { 'r.example': ['/ web:8080', '/a;b/ other:8080'] } }));
        await world.until('http://r.example/', { service: 'web' });
        await world.until('http://r.example/a;b/c', { service: 'other' });
        const backend = { service: { name: 'other', port: { number: 8080 } } };
        const paths = [{ path: '/', pathType: 'Prefix', backend }];
        await world.patch('r', { spec: { rules: [{ host: 'r.example', http: { paths } }] } });
        await world.until('http://r.example/', { service: 'other' });
        await world.remove('r');
        await world.until('http://r.example/', { status: 404 });
      }));

    test('endpoints come and go, down to none and back', () =>
      withoutReload(async () => {
        await world.serve('moving', ['10.244.3.1', '10.244.3.2']);
        await world.apply(ingress({ name: 'moving', rules: { 'moving.example': ['/ moving:8080'] } }));
        await world.until('http://moving.example/', {});
        await world.setEndpoints('moving', ['10.244.3.2']);
        await world.eventually(async () => {
          const answers = await Promise.all([1, 2, 3, 4].map(() => world.ask('http://moving.example/')));
          assert.deepEqual(new Set(answers.map(({ echo }) => echo.ip)), new Set(['10.244.3.2']));
        });
        await world.setEndpoints('moving', []);
        await world.until('http://moving.example/', { status: 503 });
        await world.eventually(async () => assert.match(world.log(), /ingress s-\d+\/<NOSRV> .* 503 .*"GET /));
        await world.setEndpoints('moving', ['10.244.3.1']);
        assert.equal((await world.until('http://moving.example/', {})).echo.ip, '10.244.3.1');
      }));

    test('certificates come, rotate and go', () =>
      withoutReload(async () => {
        const hosts = ['tls.example', '*.tls.example'];
        const tls = [{ hosts, secretName: 'rotating' }];
        const rules = { 'tls.example': ['/ web:8080'], '*.tls.example': ['/ web:8080'] };
        await world.apply(ingress({ name: 'tls', tls, rules }));
        await world.until('https://tls.example/', {});
        const shown = (host: string, expected: string) =>
          world.eventually(async () => assert.equal((await world.ask(`https://${host}/`)).certificate, expected));
        await shown('tls.example', 'sampan-ingress-default-certificate');
        await world.client.create(secrets, tlsSecret('rotating', ['tls.example', '*.tls.example']));
        await shown('a.tls.example', 'tls.example');
        const fresh = tlsSecret('rotating', ['new.example', ...hosts]);
        await world.client.patch(
          secrets,
          { name: 'rotating', namespace: DEFAULT },
          { type: 'merge', body: { data: fresh.data } },
        );
        await shown('tls.example', 'new.example');
        await world.client.delete(secrets, { name: 'rotating', namespace: DEFAULT });
        await shown('tls.example', 'sampan-ingress-default-certificate');
      }));

    test('a certificate that does not fit leaves the others alone, and is told of', () =>
      withoutReload(async () => {
        const [a, b] = [tlsSecret('one', ['one.example']), tlsSecret('bad', ['bad.example'])];
        await world.client.create(secrets, a);
        await world.client.create(secrets, { ...b, data: { ...b.data, 'tls.key': a.data!['tls.key']! } });
        for (const name of ['bad', 'one']) {
          const host = `${name}.example`;
          await world.apply(
            ingress({ name, tls: [{ hosts: [host], secretName: name }], rules: { [host]: ['/ web:8080'] } }),
          );
        }
        await world.eventually(async () =>
          assert.equal((await world.ask('https://one.example/')).certificate, 'one.example'),
        );
        assert.equal((await world.ask('https://bad.example/')).certificate, 'sampan-ingress-default-certificate');
        await told(
          'bad',
          'Warning InvalidCertificate Secret default/bad cannot be used: tls.key is not the key of the certificate in tls.crt',
        );
      }));
  });

  function told(name: string, expected: string): Promise<void> {
    return world.eventually(async () => {
      const { items } = await world.client.list(events, { namespace: DEFAULT });
      const texts = items
        .filter(({ involvedObject }) => involvedObject.kind === 'Ingress' && involvedObject.name === name)
        .map(({ type, reason, message }) => `${type} ${reason} ${message}`);
      assert.ok(texts.includes(expected), texts.join('\n'));
    });
  }

  test('new Ingresses and broken ones have events', async () => {
    await world.apply(
      ingress({
        name: 'x-broken',
        rules: { 'x-broken.example': ['/ gone:80', '/good web:8080'], 'first.example': ['/ other:8080'] },
      }),
    );
    await told('x-broken', 'Normal Sync Scheduled for sync');
    await told('x-broken', 'Warning InvalidBackend Service default/gone is not there');
    await world.until('http://x-broken.example/', { status: 503 });
    await world.until('http://x-broken.example/good', { service: 'web' });
    await world.until('http://first.example/', { service: 'web' });
  });

  test('more Services than there is room for make one seamless reload', async () => {
    const generation = await world.generation();
    let failed = 0;
    let asked = 0;
    const stop = new AbortController();
    const load = (async () => {
      for (; !stop.signal.aborted; asked++)
        if ((await world.ask('http://first.example/').catch(() => undefined))?.status !== 200) failed++;
    })();
    const paths: string[] = [];
    for (let at = 0; at < 70; at++) {
      await world.client.create(services, {
        metadata: { name: `s${at}`, namespace: DEFAULT },
        spec: { ports: [{ port: 80 }] },
      });
      paths.push(`/s${at} s${at}:80`);
    }
    await world.apply(ingress({ name: 'many', rules: { 'many.example': [...paths, '/ web:8080'] } }));
    await world.until('http://many.example/', {});
    await world.until('http://many.example/s69', { status: 503 });
    stop.abort();
    await load;
    assert.notEqual(await world.generation(), generation);
    assert.ok(asked > 0);
    assert.equal(failed, 0);
    await world.remove('many');
  });

  describe('options', () => {
    const using = async (
      name: string,
      parts: { annotations: Record<string, string>; paths?: string[]; probe?: string; tls?: boolean },
    ) => {
      const { annotations, paths = ['/ web:8080'], probe = '/', tls } = parts;
      const host = `${name}.example`;
      await world.apply(
        ingress({
          name,
          annotations: nginx(annotations),
          rules: { [host]: paths },
          ...(tls && { tls: [{ hosts: [host] }] }),
        }),
      );
      await world.eventually(async () => assert.notEqual((await world.ask(`http://${host}${probe}`)).status, 404));
      return `http://${host}`;
    };

    test('affinity by cookie', async () => {
      const annotations = { affinity: 'cookie', 'session-cookie-name': 'route', 'session-cookie-max-age': '300' };
      const url = await using('sticky', { annotations });
      const { headers, echo } = await world.ask(url);
      const [cookie] = headers['set-cookie']!;
      assert.match(cookie!, /^route=e[0-9a-f]{16}; Path=\/; HttpOnly; Max-Age=300$/);
      const sent = { headers: { cookie: cookie!.split(';')[0]! } };
      for (let at = 0; at < 6; at++) {
        const answer = await world.ask(url, sent);
        assert.deepEqual([answer.echo.ip, answer.headers['set-cookie']], [echo.ip, undefined]);
      }
      const forged = await world.ask(url, { headers: { cookie: 'route=s-0/x;y' } });
      assert.equal(forged.status, 200);
      assert.ok(forged.headers['set-cookie']);
    });

    test('rewrite-target', async () => {
      const url = await using('rewrite', {
        annotations: { 'rewrite-target': '/new/$2' },
        paths: ['/app(/|$)(.*) ImplementationSpecific web:8080'],
        probe: '/app',
      });
      const rows = [
        ['/app', '/new/'],
        ['/app/', '/new/'],
        ['/app/a/b/?q=/r', '/new/a/b/?q=/r'],
      ];
      for (const [path, expected] of rows) assert.equal((await world.ask(`${url}${path}`)).echo.path, expected);
      assert.equal((await world.ask(`${url}/apple`)).status, 404);
    });

    test('body size', async () => {
      const url = await using('body', { annotations: { 'proxy-body-size': '1k' } });
      const post = (bytes: number) =>
        world.ask(url, { method: 'POST', body: 'x'.repeat(bytes), headers: { 'content-length': String(bytes) } });
      assert.deepEqual([(await post(1024)).status, (await post(1025)).status], [200, 413]);
    });

    test('read timeout', async () => {
      const silent = createTcpServer(() => {});
      await world.serve('silent', []);
      await world.listen(silent, '10.244.4.1');
      await world.setEndpoints('silent', ['10.244.4.1']);
      const url = await using('slow', {
        annotations: { 'proxy-read-timeout': '1' },
        paths: ['/ok web:8080', '/ silent:8080'],
      });
      assert.equal((await world.ask(`${url}/`)).status, 504);
    });

    test('redirects', async () => {
      const to = async (name: string, annotations: Record<string, string>, tls = false) => {
        const { status, headers } = await world.ask(await using(name, { annotations, tls }));
        return `${status} ${headers.location}`;
      };
      assert.equal(await to('permanent', { 'permanent-redirect': 'https://a.example/b' }), '301 https://a.example/b');
      assert.equal(await to('temporal', { 'temporal-redirect': 'https://a.example/b' }), '302 https://a.example/b');
      assert.equal(await to('root', { 'app-root': '/app' }), '302 /app');
      assert.equal(await to('forced', { 'force-ssl-redirect': 'true' }), '308 https://forced.example/');
      assert.equal(await to('plain', { 'ssl-redirect': 'false' }, true), '200 undefined');
    });

    test('source ranges', async () => {
      assert.equal(
        (await world.ask(await using('inside', { annotations: { 'whitelist-source-range': '10.89.0.0/24' } }))).status,
        200,
      );
      assert.equal(
        (await world.ask(await using('outside', { annotations: { 'whitelist-source-range': '192.0.2.0/24' } }))).status,
        403,
      );
      assert.equal((await world.ask(await using('closed', { annotations: { 'auth-url': 'http://x' } }))).status, 503);
    });

    test('of a class, from the ConfigMap that it names', async () => {
      const parameters = { kind: 'ConfigMap', name: 'defaults', namespace: DEFAULT, scope: 'Namespace' };
      await world.client.create(configMaps, {
        metadata: { name: 'defaults', namespace: DEFAULT },
        data: { 'app-root': '/start' },
      });
      await world.createClass('with-parameters', { controller: CONTROLLER, parameters });
      await world.apply(
        ingress({ name: 'classy', className: 'with-parameters', rules: { 'classy.example': ['/ web:8080'] } }),
      );
      await world.until('http://classy.example/', { status: 302 });
    });
  });

  describe('protocols', () => {
    test('clients are named to the backend, whatever they say themselves', async () => {
      const { echo } = await world.ask('http://first.example/', {
        headers: {
          host: 'first.example:80',
          'x-forwarded-for': '192.0.2.1',
          'x-forwarded-proto': 'https',
          forwarded: 'for=192.0.2.1',
        },
      });
      const { headers } = echo;
      assert.deepEqual(
        [
          'host',
          'x-forwarded-for',
          'x-real-ip',
          'x-forwarded-proto',
          'x-forwarded-host',
          'x-forwarded-port',
          'forwarded',
        ].map((name) => headers[name]),
        ['first.example:80', ADDRESS, ADDRESS, 'http', 'first.example:80', '80', undefined],
      );
      assert.equal((await world.ask('https://first.example/')).echo.headers['x-forwarded-proto'], 'https');
    });

    test('websockets', async () => {
      const socket = connect(80, ADDRESS);
      const headers = ['Host: first.example', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
      socket.write(
        `GET /chat HTTP/1.1\r\n${headers.join('\r\n')}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      );
      let text = '';
      for await (const part of socket.setEncoding('utf8')) {
        text += part;
        if (text.endsWith('\r\n\r\n')) socket.write('ping');
        if (text.endsWith('ping')) break;
      }
      assert.match(
        text,
        /^HTTP\/1.1 101 Switching Protocols\r\n(.|\r\n)*s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=(.|\r\n)*\r\n\r\nping$/,
      );
    });

    test('HTTP/2 from clients, with and without TLS', async () => {
      for (const url of [`https://${ADDRESS}`, `http://${ADDRESS}`]) {
        const session = connectH2(url, { rejectUnauthorized: false, servername: 'first.example' });
        const stream = session.request({ ':path': '/h2', ':authority': 'first.example' });
        let text = '';
        for await (const part of stream.setEncoding('utf8')) text += part;
        session.close();
        assert.equal(JSON.parse(text).path, '/h2');
      }
    });

    test('gRPC: HTTP/2 to a backend whose appProtocol says so, with trailers', async () => {
      const backend = createH2Server().on('stream', (stream, headers) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(String(headers[':path']));
      });
      await world.serve('grpc', [], [{ name: 'grpc', port: 9000, protocol: 'TCP', appProtocol: 'kubernetes.io/h2c' }]);
      await world.listen(backend, '10.244.4.2');
      await world.setEndpoints('grpc', ['10.244.4.2']);
      await world.apply(ingress({ name: 'grpc', rules: { 'grpc.example': ['/ grpc:9000'] } }));
      await world.eventually(async () => assert.equal((await world.ask('http://grpc.example/probe')).text, '/probe'));
      const session = connectH2(`http://${ADDRESS}`);
      const stream = session.request({
        ':path': '/pkg.Svc/Call',
        ':method': 'POST',
        ':authority': 'grpc.example',
        te: 'trailers',
      });
      const trailers = new Promise((resolve) => stream.on('trailers', (got) => resolve(got['grpc-status'])));
      let text = '';
      for await (const part of stream.setEncoding('utf8').end('x')) text += part;
      assert.deepEqual([text, await trailers], ['/pkg.Svc/Call', '0']);
      session.destroy();
    });

    test('HTTPS to a backend whose appProtocol says so', async () => {
      const { data } = tlsSecret('x', ['x']);
      const decode = (name: string) => Buffer.from(data![name]!, 'base64').toString();
      const backend = createHttpsServer({ cert: decode('tls.crt'), key: decode('tls.key') }, (_request, response) =>
        response.end('by TLS'),
      );
      await world.serve('secure', [], [{ name: 'https', port: 443, protocol: 'TCP', appProtocol: 'https' }]);
      await world.listen(backend, '10.244.4.3');
      await world.setEndpoints('secure', ['10.244.4.3']);
      await world.apply(ingress({ name: 'secure', rules: { 'secure.example': ['/ secure:https'] } }));
      await world.eventually(async () => assert.equal((await world.ask('http://secure.example/')).text, 'by TLS'));
    });

    test('ExternalName: the addresses of the name, as they change', async () => {
      const names = ['10.244.5.1', '10.244.5.2'];
      for (const ip of names) await world.listen(echoServer('external', ip), ip);
      world.names.set('db.example', { addresses: [names[0]!], ttlSeconds: 1 });
      await world.client.create(services, {
        metadata: { name: 'external', namespace: DEFAULT },
        spec: { type: 'ExternalName', externalName: 'db.example' },
      });
      await world.apply(ingress({ name: 'external', rules: { 'external.example': ['/ external:8080'] } }));
      assert.equal((await world.until('http://external.example/', {})).echo.ip, names[0]);
      world.names.set('db.example', { addresses: [names[1]!], ttlSeconds: 60 });
      await world.eventually(async () => assert.equal((await world.ask('http://external.example/')).echo.ip, names[1]));
    });
  });

  test('requests that can be repeated go to another endpoint when one closes without an answer', async () => {
    const closing = createTcpServer((socket) => socket.once('data', () => socket.destroy()));
    await world.serve('half', ['10.244.6.1']);
    await world.listen(closing, '10.244.6.2');
    await world.setEndpoints('half', ['10.244.6.1', '10.244.6.2']);
    await world.apply(ingress({ name: 'half', rules: { 'half.example': ['/ half:8080'] } }));
    await world.until('http://half.example/', {});
    const ask = async (method: string) =>
      (await Promise.all(Array.from({ length: 12 }, () => world.ask('http://half.example/', { method })))).map(
        ({ status }) => status,
      );
    assert.deepEqual(new Set(await ask('GET')), new Set([200]));
    assert.deepEqual(new Set(await ask('POST')), new Set([200, 502]));
  });

  describe('after a death', () => {
    test('of HAProxy, it is started again with all routes', async () => {
      const { master, workers } = await world.processes();
      const before = identify(master)!;
      for (const pid of [master, ...workers]) process.kill(pid, 'SIGKILL');
      await world.until('http://first.example/', { service: 'web' });
      await world.eventually(async () => assert.notEqual((await world.processes()).master, master));
      assert.ok(!isAlive(before));
    });

    test('of a worker, too', async () => {
      const [worker] = (await world.processes()).workers;
      process.kill(worker!, 'SIGKILL');
      await world.eventually(async () => assert.ok(!(await world.processes()).workers.includes(worker!)));
      await world.until('http://first.example/', { service: 'web' });
    });

    test('of the controller, HAProxy goes on; the next controller takes it over, with what changed meanwhile', async () => {
      const { master } = await world.processes();
      world.abandonController();
      assert.equal((await world.ask('http://first.example/')).echo.service, 'web');
      await world.apply(ingress({ name: 'meanwhile', rules: { 'meanwhile.example': ['/ other:8080'] } }));
      await world.remove('x-broken');
      world.startController();
      await world.until('http://meanwhile.example/', { service: 'other' });
      await world.until('http://x-broken.example/good', { status: 404 });
      assert.equal((await world.processes()).master, master);
    });
  });

  test('keys are readable by root alone', () => {
    const status = readFileSync(`/proc/self/status`, 'utf8');
    assert.match(status, /^Uid:\s+0/m);
    const list = readFileSync(join(world.directory, 'haproxy', 'certificates.list'), 'utf8');
    assert.match(list, /default\.pem/);
  });
});
