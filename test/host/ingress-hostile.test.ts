import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { secrets } from '../../src/api/kinds/secret.ts';
import { type CommandError, run } from '../../src/host/exec.ts';
import { arrangeAnew } from '../../src/ingress/haproxy/arrange.ts';
import { filesIn } from '../../src/ingress/haproxy/haproxy.ts';
import { renderCertificateList, renderConfig, renderMap } from '../../src/ingress/haproxy/render.ts';
import { factsOf, ingress, nginx, service, slice, tlsSecret } from '../../src/ingress/ingress.fixture.ts';
import { createTabulator } from '../../src/ingress/table.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { makeDefaultCertificate } from '../../src/main/default-certificate.ts';
import { ADDRESS, enterOwnNetwork, IngressWorld, whyNoHaproxy } from './ingress-fixture.ts';

describe('Ingress and hostile input', { skip: whyNoHaproxy() ?? false }, () => {
  let world: IngressWorld;
  /** Requests that the backend of `victim.example` has seen: method and path. */
  const seen: string[] = [];

  before(async () => {
    await enterOwnNetwork();
    world = await IngressWorld.start();
    await world.serve('web', ['10.244.0.1']);
    await world.serve('victim', []);
    const backend = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      request.resume().on('end', () => response.end('victim'));
    });
    await world.listen(backend, '10.244.0.2');
    await world.setEndpoints('victim', ['10.244.0.2']);
    await world.client.create(secrets, tlsSecret('tls', ['web.example']));
    const tls = [{ hosts: ['web.example'], secretName: 'tls' }];
    const annotations = nginx({ 'ssl-redirect': 'false' });
    await world.apply(
      ingress({ name: 'web', tls, annotations, rules: { 'web.example': ['/ web:8080', '/admin victim:8080'] } }),
    );
    await world.apply(ingress({ name: 'victim', rules: { 'victim.example': ['/ victim:8080'] } }));
    await world.until('http://victim.example/', {});
    await world.until('http://web.example/', {});
  });
  after(() => world.stop());

  /** Sends octets as they are; resolves with all that comes back until the other side ends or `ms` have gone by. */
  function send(text: string, ms = 400): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(80, ADDRESS);
      let answer = '';
      const end = systemClock.after(ms, () => socket.destroy());
      socket.setEncoding('latin1').on('data', (part: string) => (answer += part));
      socket.on('error', () => {});
      socket.on('close', () => {
        end();
        resolve(answer);
      });
      socket.write(text, 'latin1');
    });
  }

  const statusOf = (answer: string) => Number(/^HTTP\/1\.[01] (\d+)/.exec(answer)?.[1] ?? 0);

  async function neighboursAreWell(master: number): Promise<void> {
    assert.equal((await world.ask('http://victim.example/well')).text, 'victim');
    assert.equal((await world.ask('https://web.example/')).certificate, 'web.example');
    assert.equal((await world.processes()).master, master);
  }

  test('Host headers', async () => {
    const { master } = await world.processes();
    const rows: [string, readonly number[]][] = [
      ['Host: web.example/admin', [400]],
      ['Host: web.example#victim.example', [400]],
      ['Host: web.example\r\nHost: victim.example', [400]],
      ['Host: web.example, victim.example', [400]],
      ['Host: *', [400]],
      ['Host: *.example', [400]],
      ['Host: victim.example@web.example', [400]],
      ['Host: web.example:99999999', [200, 400]],
      ['Host: \x80\xff\xfe', [400]],
      ['Host: a b', [400]],
      ['Host:', [400, 404]],
      ['X: y', [400, 404]],
      [`Host: ${'a'.repeat(8000)}`, [400, 404]],
      [`Host: ${'a.'.repeat(4000)}`, [400, 404]],
      [`Host: ${'x'.repeat(70_000)}`, [400, 431]],
      ["Host: %[env(HOME)]';|", [400]],
    ];
    for (const [header, expected] of rows) {
      const answer = await send(`GET / HTTP/1.1\r\n${header}\r\nConnection: close\r\n\r\n`);
      assert.ok(expected.includes(statusOf(answer)), `${header.slice(0, 60)}: ${answer.slice(0, 100)}`);
    }
    await neighboursAreWell(master);
  });

  test('a request line that names another host than the header', async () => {
    seen.length = 0;
    const answer = await send(
      'GET http://victim.example/stolen HTTP/1.1\r\nHost: web.example\r\nConnection: close\r\n\r\n',
    );
    assert.equal(statusOf(answer), 400);
    assert.deepEqual(seen, []);
  });

  test('paths that are written in another way lead where the plain ones do', async () => {
    for (const path of [
      '/admin/x',
      '/x/../admin/x',
      '/./admin/x',
      '/%61dmin/x',
      '/x/%2e%2e/admin/x',
      '/x/%2E./admin/x',
    ]) {
      assert.match(
        await send(`GET ${path} HTTP/1.1\r\nHost: web.example\r\nConnection: close\r\n\r\n`),
        /victim$/,
        path,
      );
    }
    for (const line of [
      'GET admin HTTP/1.1',
      'GET /\x00 HTTP/1.1',
      'G\x01T / HTTP/1.1',
      'CONNECT web.example:80 HTTP/1.1',
      'TRACE / HTTP/1.1',
    ])
      assert.ok([400, 405, 505].includes(statusOf(await send(`${line}\r\nHost: web.example\r\n\r\n`))), line);
  });

  test('requests in which two could be seen', async () => {
    const { master } = await world.processes();
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: victim.example\r\n\r\n';
    const head = 'POST /first HTTP/1.1\r\nHost: victim.example\r\n';
    const rows = [
      `${head}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      `${head}Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
      `${head}Content-Length: +${smuggled.length}\r\n\r\n${smuggled}`,
      `${head}Content-Length : ${smuggled.length}\r\n\r\n${smuggled}`,
      `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
      `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
      `${head}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${smuggled}`,
      `${head}Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n${smuggled}`,
      `${head}Transfer-Encoding: chunked\r\n\r\n0;x\n\r\n${smuggled}`,
      `${head}X: y\r\n Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
      `${head}Foo: bar\x00\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    ];
    for (const text of rows) {
      seen.length = 0;
      const answers = await send(text);
      const told = [...answers.matchAll(/HTTP\/1\.1 200/g)].length;
      // Whatever is passed on, the backend sees as many requests as the client gets answers.
      assert.ok(
        seen.length <= Math.max(told, 1),
        `${JSON.stringify(text.slice(0, 120))} → ${seen.join(', ')} / ${answers.slice(0, 200)}`,
      );
      if (told < 2)
        assert.ok(!seen.includes('GET /smuggled'), `${JSON.stringify(text.slice(0, 120))} → ${seen.join(', ')}`);
    }
    await neighboursAreWell(master);
  });

  test('headers without end, many of them, and slow ones', async () => {
    const { master } = await world.processes();
    const rows = [`X: ${'y'.repeat(40_000)}\r\n`, 'X: y\r\n'.repeat(2000), 'X: y\r\n'.repeat(150)];
    for (const headers of rows) {
      const status = statusOf(await send(`GET / HTTP/1.1\r\nHost: web.example\r\n${headers}\r\n`));
      assert.ok([400, 431].includes(status), String(status));
    }
    const halfOpen = Array.from({ length: 200 }, () => send('GET / HTTP/1.1\r\nHost: web', 1500));
    await neighboursAreWell(master);
    await Promise.all(halfOpen);
  });

  test('names in the TLS handshake', async () => {
    const { master } = await world.processes();
    const names = [
      '*.example',
      'web.example.',
      'WEB.EXAMPLE',
      '..',
      'a'.repeat(250),
      `${'a.'.repeat(100)}example`,
      "x';|%[src]",
      'x_y',
      '-',
    ];
    for (const servername of names) await handshake(servername);
    const garbage = connect(443, ADDRESS).on('error', () => {});
    garbage.end(Buffer.from('160301ffff01'.repeat(500), 'hex'));
    await neighboursAreWell(master);
  });

  /** Resolves when the handshake has ended, however. */
  function handshake(servername: string): Promise<void> {
    return new Promise((resolve) => {
      const socket = connectTls({ host: ADDRESS, port: 443, servername, rejectUnauthorized: false });
      socket.on('secureConnect', () => socket.destroy());
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });
  }

  test('HAProxy takes every configuration that people can bring about', async () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.string({ maxLength: 30 }),
      fc.constantFrom(
        "x'\n  server evil 127.0.0.1:22",
        '%[env(HOME)]',
        '{ a }',
        '# x',
        '10.0.0.0/8',
        '"x" y',
        '\\',
        '/$2',
        '/a(/|$)(.*)',
        '::1',
        'true',
        'x.y',
      ),
    );
    const names =
      'affinity session-cookie-name session-cookie-path session-cookie-samesite whitelist-source-range upstream-vhost rewrite-target app-root permanent-redirect proxy-connect-timeout load-balance upstream-hash-by backend-protocol'.split(
        ' ',
      );
    const worlds = fc.record({
      annotations: fc.dictionary(fc.constantFrom(...names), hostile, { maxKeys: 6 }),
      sticky: fc.boolean(),
      path: hostile,
      host: hostile,
    });
    const directory = join(world.directory, 'fuzz');
    await fc.assert(
      fc.asyncProperty(worlds, async ({ annotations, sticky, path, host }) => {
        const one = ingress({
          annotations: nginx({ ...(sticky && { affinity: 'cookie' }), ...annotations }),
          rules: { 'a.example': ['/ web'] },
        });
        const [rule] = one.spec!.rules!;
        rule!.http!.paths[0]!.path = `/${path}`;
        // As the API lets names of hosts through.
        rule!.host = host.toLowerCase().replaceAll(/[^a-z0-9.-]/g, '') || 'a.example';
        const facts = factsOf({ ingresses: [one], services: [service('web')], slices: [slice('web', ['10.0.0.1'])] });
        await check(directory, facts);
      }),
      { numRuns: 40 },
    );
  });

  async function check(directory: string, facts: ReturnType<typeof factsOf>): Promise<void> {
    const files = filesIn(directory);
    const layout = arrangeAnew(createTabulator()(facts));
    mkdirSync(files.certificates, { recursive: true });
    writeFileSync(files.exactMap, renderMap(layout.exact));
    writeFileSync(files.prefixMap, renderMap(layout.prefix));
    writeFileSync(files.defaultCertificate, makeDefaultCertificate(systemClock));
    writeFileSync(files.certificateList, renderCertificateList(layout, files));
    const listen = [{ address: ADDRESS, httpPort: 80, httpsPort: 443 }];
    writeFileSync(files.config, renderConfig(layout, { files, listen, generation: 'x' }));
    await run(['haproxy', '-c', '-f', files.config]).catch((error: CommandError) => assert.fail(error.stderr));
  }
});
