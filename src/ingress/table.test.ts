import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { factsOf, ingress, ingressClass, nginx, service, slice, tlsSecret, type World } from './ingress.fixture.ts';
import { createTabulator } from './table.ts';

const services = [service('web'), service('other'), service('named', { ports: [{ name: 'api', port: 90 }] })];
const slices = [slice('web', ['10.244.1.2', '10.244.2.2'])];

function tabulate(world: World) {
  return createTabulator()(factsOf({ services, slices, ...world }));
}

/** `exact a.example/foo → default/web:80` */
function lines(world: World): string[] {
  return tabulate(world).routes.map(({ match, host, path, action }) => {
    const target = action.redirect?.location ?? action.backend?.trim() ?? 'nothing';
    return `${match} ${host}${path} → ${target}${action.toHttps ? ' by https' : ''}`;
  });
}

function problems(world: World): string[] {
  return tabulate(world).problems.map(({ ingress: key, reason, message }) => `${key} ${reason}: ${message}`);
}

describe('routes', () => {
  test('come from rules and default backends', () => {
    const rules = {
      'A.example': ['/ web', '/foo/ Exact web:http'],
      '*.b.example': ['/x ImplementationSpecific other'],
      '': ['/y web'],
    };
    assert.deepEqual(
      lines({ ingresses: [ingress({ rules, defaultBackend: 'named:api' })] }),
      [
        'prefix a.example → default/web:80',
        'exact a.example/foo/ → default/web:http',
        'prefix *.b.example/x → default/other:80',
        'prefix */y → default/web:80',
        'prefix * → default/named:api',
      ].toSpliced(4, 0, 'prefix *.b.example → default/named:api'),
    );
  });

  test('belong to the oldest Ingress; rules go before defaults', () => {
    const ingresses = [
      ingress({ name: 'young', age: 2, rules: { 'a.example': ['/ other'] } }),
      ingress({ name: 'old', age: 1, rules: { 'a.example': ['/ web'] } }),
      ingress({ name: 'oldest', age: 0, rules: { 'a.example': ['/x web'] }, defaultBackend: 'other' }),
    ];
    assert.deepEqual(lines({ ingresses }), [
      'prefix a.example/x → default/web:80',
      'prefix a.example → default/web:80',
      'prefix * → default/other:80',
    ]);
    assert.deepEqual(problems({ ingresses }), [
      'default/young Conflict: a.example/ belongs to Ingress default/old, which is older',
    ]);
  });

  test('are those of the own classes, by field or annotation', () => {
    const rules = { 'a.example': ['/ web'] };
    const annotations = { 'kubernetes.io/ingress.class': 'legacy' };
    const classes = [
      ingressClass('sampan'),
      ingressClass('legacy'),
      ingressClass('nginx', { controller: 'k8s.io/ingress-nginx' }),
    ];
    const own = [ingress({ rules }), ingress({ rules, className: null, annotations })];
    for (const one of own) assert.equal(lines({ ingresses: [one], classes }).length, 1);
    const others = [
      ingress({ rules, className: null }),
      ingress({ rules, className: 'nginx' }),
      ingress({ rules, className: 'gone' }),
    ];
    for (const one of others) assert.deepEqual(lines({ ingresses: [one], classes }), []);
  });

  test('lead nowhere when the backend cannot be', () => {
    const ingresses = [ingress({ rules: { 'a.example': ['/ gone', '/p web:admin', '/q web:81'] } })];
    assert.deepEqual(
      lines({ ingresses }).map((line) => line.split(' → ')[1]),
      ['nothing', 'nothing', 'nothing'],
    );
    assert.deepEqual(problems({ ingresses }), [
      'default/i InvalidBackend: Service default/gone is not there',
      'default/i InvalidBackend: Service default/web has no port "admin"',
      'default/i InvalidBackend: Service default/web has no port 81',
    ]);
  });

  test('of a resource backend say so', () => {
    const one = ingress({ rules: { 'a.example': ['/ web'] } });
    const path = one.spec!.rules![0]!.http!.paths[0]!;
    path.backend = { resource: { apiGroup: 'k8s.example', kind: 'Bucket', name: 'static' } };
    assert.deepEqual(problems({ ingresses: [one] }), [
      'default/i InvalidBackend: a backend that is a Bucket is not supported: only Services are',
    ]);
  });

  test('go to HTTPS when the Ingress has TLS for the host', () => {
    const tls = [{ hosts: ['a.example', '*.b.example'] }];
    const rules = { 'a.example': ['/ web'], 'x.b.example': ['/ web'], 'c.example': ['/ web'] };
    const https = (annotations: Record<string, string>) =>
      lines({ ingresses: [ingress({ tls, rules, annotations: nginx(annotations) })] }).map((line) =>
        line.endsWith('by https'),
      );
    assert.deepEqual(https({}), [true, true, false]);
    assert.deepEqual(https({ 'ssl-redirect': 'false' }), [false, false, false]);
    assert.deepEqual(https({ 'force-ssl-redirect': 'true' }), [true, true, true]);
  });

  test('of an Ingress that asks for protection that is not there lead nowhere', () => {
    const ingresses = [ingress({ rules: { 'a.example': ['/ web'] }, annotations: nginx({ 'auth-url': 'https://x' }) })];
    assert.deepEqual(lines({ ingresses }), ['prefix a.example → nothing']);
    assert.match(problems({ ingresses })[0]!, /UnsupportedAnnotation: not served.*auth-url/);
  });
});

describe('backends', () => {
  function endpoints(world: Partial<World>, port = '80'): string[] {
    const ingresses = [ingress({ rules: { 'a.example': [`/ web:${port}`] } })];
    const [backend] = [...tabulate({ ingresses, ...world }).backends.values()];
    return backend!.endpoints.map(({ address, port: number, protocol }) => `${protocol} ${address}:${number}`);
  }

  test('are the ready endpoints', () => {
    assert.deepEqual(endpoints({}), ['http 10.244.1.2:8080', 'http 10.244.2.2:8080']);
    const some = [
      slice('web', ['10.244.1.2']),
      slice('web', ['10.244.1.3'], { conditions: { ready: false } }),
      slice('web', ['10.244.1.2']),
    ];
    assert.deepEqual(endpoints({ slices: some }), ['http 10.244.1.2:8080']);
  });

  test('are those that end when no other is left', () => {
    const conditions = { ready: false, serving: true, terminating: true };
    assert.deepEqual(endpoints({ slices: [slice('web', ['10.244.1.2'], { conditions })] }), ['http 10.244.1.2:8080']);
    assert.deepEqual(
      endpoints({ slices: [slice('web', ['10.244.1.2'], { conditions: { ...conditions, serving: false } })] }),
      [],
    );
  });

  test('speak what appProtocol says', () => {
    const rows = [
      ['kubernetes.io/h2c', 'h2c'],
      ['grpc', 'h2c'],
      ['HTTPS', 'https'],
      ['kubernetes.io/ws', 'http'],
    ] as const;
    for (const [appProtocol, expected] of rows) {
      const own = service('web', { ports: [{ name: 'http', port: 80, appProtocol }] });
      assert.match(endpoints({ services: [own] })[0]!, new RegExp(`^${expected} `));
    }
  });

  test('of an ExternalName are the addresses of the name', () => {
    const external = service('web', { type: 'ExternalName', externalName: 'db.example', ports: undefined });
    const names = { 'db.example': ['192.0.2.7', '127.0.0.1', '169.254.169.254'] };
    assert.deepEqual(endpoints({ services: [external], names }, '8443'), ['http 192.0.2.7:8443']);
  });

  test('are never the machine itself', () => {
    assert.deepEqual(endpoints({ slices: [slice('web', ['127.0.0.1', '0.0.0.0', '224.0.0.1', '10.0.0.1'])] }), [
      'http 10.0.0.1:8080',
    ]);
    const v6 = ['::1', 'fe80::1', '::ffff:127.0.0.1', 'ff02::1', 'fd00::1'];
    const own = service('web', { ipFamilies: ['IPv6'], ports: [{ name: 'http', port: 80 }] });
    assert.deepEqual(endpoints({ services: [own], slices: [slice('web', v6, { addressType: 'IPv6' })] }), [
      'http fd00::1:8080',
    ]);
  });

  test('keep the client affinity of their Service', () => {
    const sticky = service('web', { ports: [{ name: 'http', port: 80 }], sessionAffinity: 'ClientIP' });
    const table = tabulate({ ingresses: [ingress({ rules: { 'a.example': ['/ web'] } })], services: [sticky] });
    assert.equal([...table.backends.values()][0]!.profile.balance, 'source');
  });
});

describe('certificates', () => {
  const secrets = [tlsSecret('a', ['a.example']), tlsSecret('b', ['b.example', '*.b.example'])];
  const rules = { 'a.example': ['/ web'], 'b.example': ['/ web'] };
  const served = (world: World) =>
    tabulate(world).certificates.map(({ secret, hosts }) => `${secret} ${hosts.join(' ')}`);

  test('are shown for the hosts that are named', () => {
    const tls = [
      { hosts: ['a.example'], secretName: 'a' },
      { hosts: ['x.b.example', 'b.example'], secretName: 'b' },
      { hosts: ['c.example'] },
    ];
    assert.deepEqual(served({ ingresses: [ingress({ rules, tls })], secrets }), [
      'default/a a.example',
      'default/b b.example x.b.example',
    ]);
  });

  test('without hosts are for the hosts of the rules, or for the names in the certificate', () => {
    const tls = [{ secretName: 'b' }];
    assert.deepEqual(served({ ingresses: [ingress({ rules: { 'b.example': ['/ web'] }, tls })], secrets }), [
      'default/b b.example',
    ]);
    assert.deepEqual(served({ ingresses: [ingress({ defaultBackend: 'web', tls })], secrets }), [
      'default/b *.b.example b.example',
    ]);
  });

  test('of the oldest Ingress win a host', () => {
    const ingresses = [
      ingress({ name: 'young', age: 2, rules, tls: [{ hosts: ['a.example'], secretName: 'b' }] }),
      ingress({
        name: 'old',
        age: 1,
        rules: { 'a.example': ['/x web'] },
        tls: [{ hosts: ['a.example'], secretName: 'a' }],
      }),
    ];
    assert.deepEqual(served({ ingresses, secrets }), ['default/a a.example']);
    assert.match(
      problems({ ingresses, secrets }).join(),
      /default\/young Conflict: the certificate of a.example is that of Ingress default\/old/,
    );
  });

  test('that do not fit are told of and harm nobody', () => {
    const [a, b] = secrets;
    const mixed = {
      ...a!,
      metadata: { ...a!.metadata, name: 'mixed' },
      data: { ...a!.data, 'tls.key': b!.data!['tls.key']! },
    };
    const broken = {
      ...a!,
      metadata: { ...a!.metadata, name: 'broken' },
      data: { 'tls.crt': 'AAAA', 'tls.key': 'AAAA' },
    };
    const tls = ['mixed', 'broken', 'gone', 'b'].map((secretName, at) => ({
      hosts: [`${'abcd'[at]}.example`],
      secretName,
    }));
    const world = { ingresses: [ingress({ rules, tls })], secrets: [...secrets, mixed, broken] };
    assert.deepEqual(served(world), ['default/b d.example']);
    assert.deepEqual(problems(world), [
      'default/i InvalidCertificate: Secret default/mixed cannot be used: tls.key is not the key of the certificate in tls.crt',
      'default/i InvalidCertificate: Secret default/broken cannot be used: tls.key is not a private key in PEM',
      'default/i InvalidCertificate: Secret default/gone is not there',
      'default/i InvalidCertificate: the certificate in Secret default/b is not for d.example; it is served all the same',
    ]);
  });
});
