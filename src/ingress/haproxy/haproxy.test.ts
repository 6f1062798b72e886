import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { factsOf, ingress, nginx, service, slice, tlsSecret, type World } from '../ingress.fixture.ts';
import { createTabulator } from '../table.ts';
import type { RoutingTable } from '../types.ts';
import { ANSWERS, arrangeAnew, arrangeInto, type Layout, serverName } from './arrange.ts';
import { commandsBetween, isDeleted, isSuccess } from './commands.ts';
import { type HaproxyFiles, renderCertificateList, renderConfig, renderMap } from './render.ts';

const files: HaproxyFiles = {
  config: '/d/haproxy.cfg',
  exactMap: '/d/exact.map',
  prefixMap: '/d/prefix.map',
  certificates: '/d/certificates',
  certificateList: '/d/certificates.list',
  defaultCertificate: '/d/default.pem',
  adminSocket: '/d/admin.sock',
  chroot: '/d/empty',
};
const options = { files, listen: [{ address: '10.89.0.11', httpPort: 80, httpsPort: 443 }], generation: '1-1' };
const NOBODY: ReadonlySet<string> = new Set();

const services = Array.from({ length: 9 }, (_, at) => service(`web${at}`));
const web = (addresses: readonly string[]) => [slice('web0', addresses)];

function table(world: Partial<World>): RoutingTable {
  return createTabulator()(factsOf({ ingresses: [], services, slices: web(['10.0.0.1']), ...world }));
}

function steps(from: Partial<World>, to: Partial<World>, leaving = NOBODY): string[] | undefined {
  const layout = arrangeAnew(table(from));
  const next = arrangeInto(table(to), { layout, busy: NOBODY });
  return next && [...(commandsBetween(layout, next, { files, leaving })?.texts ?? ['loaded anew'])];
}

const rules = { 'a.example': ['/ web0'] };

describe('commandsBetween()', () => {
  test('says nothing when nothing changed', () => {
    assert.deepEqual(steps({ ingresses: [ingress({ rules })] }, { ingresses: [ingress({ rules })] }), []);
  });

  test('brings endpoints before routes, and takes routes before endpoints', () => {
    const name = serverName({ address: '10.0.0.1', port: 8080, protocol: 'http' });
    assert.deepEqual(steps({}, { ingresses: [ingress({ rules })] }), [
      `add server s-0/${name} 10.0.0.1:8080;enable server s-0/${name}`,
      'add map /d/prefix.map <<\na.example/ s-0|||||||\n',
    ]);
    assert.deepEqual(steps({ ingresses: [ingress({ rules })] }, {}), [
      'del map /d/prefix.map a.example/',
      `disable server s-0/${name}`,
    ]);
  });

  test('changes one endpoint, and lets a former one come back', () => {
    const ingresses = [ingress({ rules })];
    const [commands] = [steps({ ingresses }, { ingresses, slices: web(['10.0.0.2']) })!];
    assert.match(
      commands.join('\n'),
      /^add server s-0\/(e\w+) 10\.0\.0\.2:8080;enable server s-0\/\1\ndisable server s-0\/e\w+$/,
    );
    const back = /s-0\/e\w+/.exec(commands[0]!)![0];
    const returned = steps({ ingresses }, { ingresses, slices: web(['10.0.0.2']) }, new Set([back]))!;
    assert.equal(returned[0], `enable server ${back}`);
  });

  test('changes a route in one step', () => {
    const to = [
      ingress({ rules: { 'a.example': ['/ web0', '/a;b web1'] }, annotations: nginx({ 'proxy-read-timeout': '5' }) }),
    ];
    const from = [ingress({ rules: { 'a.example': ['/ web0', '/a;b web0'] } })];
    assert.deepEqual(steps({ ingresses: from }, { ingresses: to, slices: [] })!.slice(0, 1), [
      'set map /d/prefix.map a.example/ o-0||5000|||||;set map /d/prefix.map a.example/a\\;b/ o-1||5000|||||',
    ]);
  });

  test('brings many routes at once', () => {
    const many = Object.fromEntries(
      Array.from({ length: 1000 }, (_, at) => [`${'x'.repeat(40)}${at}.example`, ['/ web0']]),
    );
    const commands = steps({ ingresses: [ingress({ rules })] }, { ingresses: [ingress({ rules: many })] })!;
    assert.equal(commands[0], 'prepare map /d/prefix.map');
    assert.equal(commands.at(-1), 'commit map @{VERSION} /d/prefix.map');
    assert.ok(commands.length > 5);
    for (const command of commands) assert.ok(command.length <= 12_000);
  });

  test('rotates a certificate in its place, and a new set of hosts with a new entry', () => {
    const hosts = (names: string[]) => [
      ingress({ rules, tls: [{ hosts: names, secretName: 'a' }], annotations: nginx({ 'ssl-redirect': 'false' }) }),
    ];
    const [old, fresh] = [tlsSecret('a', ['a.example']), tlsSecret('a', ['a.example'])];
    const kinds = (commands: string[] | undefined) => commands!.map((text) => text.split(' ').slice(0, 3).join(' '));
    const ingresses = hosts(['a.example']);
    assert.deepEqual(kinds(steps({ ingresses, secrets: [old] }, { ingresses, secrets: [fresh] })), [
      'set ssl cert',
      'commit ssl cert',
    ]);
    const before = { ingresses, secrets: [old] };
    assert.deepEqual(kinds(steps(before, { ingresses: hosts(['b.example']), secrets: [old] })), [
      'new ssl cert',
      'set ssl cert',
      'commit ssl cert',
      'add ssl crt-list',
      'del ssl crt-list',
      'del ssl cert',
    ]);
  });

  test('cannot make another kind of backend, nor more than there is room for', () => {
    const sticky = [ingress({ rules, annotations: nginx({ affinity: 'cookie' }) })];
    assert.equal(steps({ ingresses: [ingress({ rules })] }, { ingresses: sticky }), undefined);
    const crowd = Array.from({ length: 70 }, (_, at) => service(`crowd${at}`));
    const paths = crowd.map(({ metadata }) => `/${metadata.name} ${metadata.name}`);
    assert.equal(steps({}, { ingresses: [ingress({ rules: { 'a.example': paths } })], services: crowd }), undefined);
  });

  test('uses a slot again only when its last server is gone', () => {
    const layout = arrangeAnew(table({ ingresses: [ingress({ rules })] }));
    const next = arrangeInto(table({ ingresses: [ingress({ rules: { 'a.example': ['/ web1'] } })] }), {
      layout,
      busy: new Set(['s-0']),
    });
    assert.deepEqual([...next!.slots.values()], ['s-1']);
  });
});

test('answers of HAProxy', () => {
  const good = ['\n', 'New server registered.\n\n\n', 'Committing /d/x.pem\nSuccess!\n\n', 'New version created: 3\n'];
  for (const answer of good) assert.ok(isSuccess(answer), answer);
  for (const answer of ['No such server.\n', 'Unknown command: `x`\n', 'Success!\nFailed\n'])
    assert.ok(!isSuccess(answer), answer);
  assert.deepEqual(
    ['Server deleted.\n', 'No such server.\n', 'Server still has connections attached\n'].map(isDeleted),
    [true, true, false],
  );
});

/** Directives that the configuration consists of. */
const DIRECTIVES = [
  'global defaults frontend backend stats node user group chroot log hard-stop-after mworker-max-reloads expose-experimental-directives',
  'ssl-default-bind-options tune.ssl.default-dh-param mode timeout option bind http-request http-response use_backend',
  'default_backend balance hash-type retries retry-on server use-server',
].flatMap((line) => line.split(' '));

function assertSound(layout: Layout): void {
  const lines = renderConfig(layout, options).split('\n').filter(Boolean);
  for (const line of lines) assert.ok(DIRECTIVES.includes(line.trim().split(' ')[0]!), line);
  assert.equal(
    lines.filter((line) => /^(global|defaults|frontend|backend) /.test(`${line} `)).length,
    sections(layout),
  );
  for (const map of [layout.exact, layout.prefix]) {
    const rows = renderMap(map).split('\n').slice(0, -1);
    assert.equal(rows.length, map.size);
    for (const row of rows) assert.match(row, /^[^\s]+ [^\s|]+(\|[^\s|]*){7}$/);
  }
  assert.equal(renderCertificateList(layout, files).split('\n').length, layout.certificates.size + 2);
}

function sections({ pools }: Layout): number {
  const own = ['global', 'defaults', 'frontend', ...Object.values(ANSWERS)].length;
  return [...pools.values()].reduce((sum, { size }) => sum + size + 1, own);
}

const ANNOTATIONS = [
  'affinity',
  'session-cookie-name',
  'session-cookie-path',
  'session-cookie-samesite',
  'whitelist-source-range',
  'upstream-vhost',
  'rewrite-target',
  'app-root',
  'permanent-redirect',
  'proxy-body-size',
  'proxy-connect-timeout',
  'load-balance',
];
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    'x\n  server evil 127.0.0.1:22',
    "'; server x",
    '%[env(HOME)]',
    '/a|b|c',
    '/x y\t',
    'cookie',
    '@1',
    '# x',
    '<<',
    '\\',
  ),
);

test('nothing that people write leaves its place in configuration, maps and lists', () => {
  const worlds = fc.record({
    annotations: fc.dictionary(fc.constantFrom(...ANNOTATIONS), hostile),
    paths: fc.array(fc.record({ path: hostile, type: fc.constantFrom('Exact', 'Prefix', 'ImplementationSpecific') }), {
      maxLength: 4,
    }),
    sticky: fc.boolean(),
  });
  fc.assert(
    fc.property(worlds, ({ annotations, paths, sticky }) => {
      const one = ingress({ rules, annotations: nginx({ ...(sticky && { affinity: 'cookie' }), ...annotations }) });
      const backend = one.spec!.rules![0]!.http!.paths[0]!.backend;
      // The API would refuse some of these; other servers may not.
      one.spec!.rules![0]!.http!.paths = paths.map(({ path, type }) => ({
        path: `/${path}`,
        pathType: type as 'Exact',
        backend,
      }));
      assertSound(arrangeAnew(table({ ingresses: [one] })));
    }),
  );
});
