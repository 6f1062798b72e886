import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { secrets } from '../../src/api/kinds/secret.ts';
import { ingress, tlsSecret } from '../../src/ingress/ingress.fixture.ts';
import { ADDRESS, enterOwnNetwork, IngressWorld, whyNoHaproxy } from './ingress-fixture.ts';

/** The features of the Ingress conformance tests of Kubernetes' SIG Network, with real HTTP. */
describe('Ingress conformance', { skip: whyNoHaproxy() ?? false }, () => {
  let world: IngressWorld;
  before(async () => {
    await enterOwnNetwork();
    world = await IngressWorld.start();
  });
  after(() => world.stop());

  describe('default backend', () => {
    before(async () => {
      await world.serve('echo-service', ['10.244.0.1']);
      await world.apply(ingress({ name: 'default-backend', defaultBackend: 'echo-service:8080' }));
      assert.deepEqual(await world.addressesOf('default-backend'), [ADDRESS]);
    });
    after(async () => {
      await world.remove('default-backend');
      await world.until('http://my-host/', { status: 404 });
    });

    const rows = [
      ['GET', 'http://my-host/'],
      ['GET', 'http://my-host/sub-path'],
      ['POST', 'http://some-host/'],
      ['PUT', `http://${ADDRESS}/resource`],
      ['DELETE', 'http://some-host/resource'],
      ['PATCH', 'http://my-host/resource'],
    ] as const;
    for (const [method, url] of rows) {
      test(`${method} ${url}`, async () => {
        const { status, headers, echo } = await world.ask(url, { method, headers: { 'user-agent': 'conformance' } });
        assert.equal(status, 200);
        for (const name of ['content-length', 'content-type', 'date', 'server']) assert.ok(headers[name], name);
        assert.deepEqual(
          [echo.service, echo.method, echo.path, echo.version],
          ['echo-service', method, new URL(url).pathname, '1.1'],
        );
        assert.equal(echo.headers['user-agent'], 'conformance');
      });
    }
  });

  describe('host rules', () => {
    before(async () => {
      await world.client.create(secrets, tlsSecret('conformance-tls', ['foo.bar.com']));
      await world.serve('wildcard-foo-com', ['10.244.0.2']);
      await world.serve('foo-bar-com', ['10.244.0.3']);
      const tls = [{ hosts: ['foo.bar.com'], secretName: 'conformance-tls' }];
      const rules = { '*.foo.com': ['/ wildcard-foo-com:8080'], 'foo.bar.com': ['/ foo-bar-com:http'] };
      await world.apply(ingress({ name: 'host-rules', tls, rules }));
      await world.addressesOf('host-rules');
      await world.until('http://bar.foo.com/', { service: 'wildcard-foo-com' });
    });

    test('a host over TLS, with the certificate of the host', async () => {
      const { status, echo, certificate } = await world.ask('https://foo.bar.com/');
      assert.deepEqual(
        [status, echo.service, echo.headers['host'], certificate],
        [200, 'foo-bar-com', 'foo.bar.com', 'foo.bar.com'],
      );
    });

    test('a host with TLS, asked without, leads there by a redirect', async () => {
      const { status, headers } = await world.ask('http://foo.bar.com/x?y=z');
      assert.deepEqual([status, headers.location], [308, 'https://foo.bar.com/x?y=z']);
    });

    test('a wildcard host matches one label', async () => {
      const { echo } = await world.ask('http://bar.foo.com/');
      assert.deepEqual([echo.service, echo.headers['host']], ['wildcard-foo-com', 'bar.foo.com']);
    });

    for (const host of ['subdomain.bar.com', 'baz.bar.foo.com', 'foo.com']) {
      test(`${host} matches nothing`, async () => assert.equal((await world.ask(`http://${host}/`)).status, 404));
    }
  });

  describe('path rules', () => {
    before(async () => {
      const names = [
        'foo-exact',
        'foo-prefix',
        'aaa-slash-bbb-prefix',
        'aaa-prefix',
        'aaa-slash-bbb-slash-prefix',
        'foo-slash-exact',
      ];
      for (const [at, name] of names.entries()) await world.serve(name, [`10.244.1.${at}`]);
      const rules = {
        'exact-path-rules': ['/foo Exact foo-exact:8080'],
        'prefix-path-rules': ['/foo foo-prefix:8080', '/aaa/bbb aaa-slash-bbb-prefix:8080', '/aaa aaa-prefix:8080'],
        'mixed-path-rules': ['/foo foo-prefix:8080', '/foo Exact foo-exact:8080'],
        'trailing-slash-path-rules': ['/aaa/bbb/ aaa-slash-bbb-slash-prefix:8080', '/foo/ Exact foo-slash-exact:8080'],
      };
      await world.apply(ingress({ name: 'path-rules', rules }));
      await world.addressesOf('path-rules');
      await world.until('http://prefix-path-rules/foo', {});
    });

    const rows: [string, string | 404][] = [
      ['exact-path-rules/foo', 'foo-exact'],
      ['exact-path-rules/foo/', 404],
      ['exact-path-rules/FOO', 404],
      ['exact-path-rules/bar', 404],
      ['prefix-path-rules/foo', 'foo-prefix'],
      ['prefix-path-rules/foo/', 'foo-prefix'],
      ['prefix-path-rules/FOO', 404],
      ['prefix-path-rules/aaa/bbb', 'aaa-slash-bbb-prefix'],
      ['prefix-path-rules/aaa/bbb/ccc', 'aaa-slash-bbb-prefix'],
      ['prefix-path-rules/aaa/ccc', 'aaa-prefix'],
      ['prefix-path-rules/aaaccc', 404],
      ['mixed-path-rules/foo', 'foo-exact'],
      ['mixed-path-rules/foo/', 'foo-prefix'],
      ['trailing-slash-path-rules/aaa/bbb', 'aaa-slash-bbb-slash-prefix'],
      ['trailing-slash-path-rules/aaa/bbb/', 'aaa-slash-bbb-slash-prefix'],
      ['trailing-slash-path-rules/foo', 404],
      ['trailing-slash-path-rules/foo/', 'foo-slash-exact'],
    ];
    for (const [where, expected] of rows) {
      test(`${where} → ${expected}`, async () => {
        const { status, echo } = await world.ask(`http://${where}`);
        assert.equal(status === 200 ? echo.service : status, expected);
      });
    }
  });

  describe('ingress class', () => {
    test('an Ingress of a class that is not there is not served and gets no address', async () => {
      const rules = { 'ingress-class': ['/ echo-service:8080'] };
      await world.apply(ingress({ name: 'invalid-class', className: 'some-invalid-class-name', rules }));
      await world.apply(ingress({ name: 'after-it', rules: { 'after-it': ['/ echo-service:8080'] } }));
      await world.until('http://after-it/', {});
      assert.deepEqual(await world.addressesOf('after-it'), [ADDRESS]);
      assert.equal((await world.ask('http://ingress-class/')).status, 404);
      const { body } = await world.server.request(
        'GET',
        '/apis/networking.k8s.io/v1/namespaces/default/ingresses/invalid-class',
      );
      assert.deepEqual(body.status, { loadBalancer: {} });
    });
  });

  describe('load balancing', () => {
    test('all replicas take a part of the requests', async () => {
      const ips = Array.from({ length: 10 }, (_, at) => `10.244.2.${at}`);
      await world.serve('replicated', ips);
      await world.apply(ingress({ name: 'load-balancing', rules: { 'load-balancing': ['/ replicated:8080'] } }));
      await world.until('http://load-balancing/', {});
      const answers = await Promise.all(Array.from({ length: 100 }, () => world.ask('http://load-balancing/')));
      assert.deepEqual([...new Set(answers.map(({ echo }) => echo.ip))].sort(), ips);
    });
  });
});
