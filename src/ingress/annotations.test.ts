import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readOptions } from './annotations.ts';
import { nginx } from './ingress.fixture.ts';

test('readOptions() reads what people write', () => {
  const rows: [Record<string, string>, object][] = [
    [
      { 'proxy-read-timeout': '120', 'proxy-body-size': '8m' },
      { readTimeoutMs: 120_000, bodyBytesMax: 8 * 2 ** 20 },
    ],
    [{ 'proxy-body-size': '0' }, { bodyBytesMax: undefined }],
    [{ 'ssl-redirect': 'false' }, { toHttps: 'never' }],
    [{ 'force-ssl-redirect': 'true' }, { toHttps: 'always' }],
    [{ 'backend-protocol': 'GRPC' }, { protocol: 'h2c' }],
    [{ 'permanent-redirect': 'https://a.b/c' }, { redirect: { status: 301, location: 'https://a.b/c' } }],
    [{ 'temporal-redirect': 'https://a.b/' }, { redirect: { status: 302, location: 'https://a.b/' } }],
    [{ 'load-balance': 'ewma' }, { profile: { balance: 'leastconn' } }],
    [{ 'upstream-hash-by': '$remote_addr' }, { profile: { balance: 'source' } }],
    [{ 'proxy-connect-timeout': '3s' }, { profile: { balance: 'roundrobin', connectTimeoutMs: 3000 } }],
    [
      { affinity: 'cookie', 'session-cookie-name': 'route', 'session-cookie-max-age': '60' },
      { profile: { balance: 'roundrobin', cookie: { name: 'route', path: '/', secure: false, maxAgeSeconds: 60 } } },
    ],
    [
      { 'whitelist-source-range': '10.0.0.0/8, 192.0.2.1' },
      { profile: { balance: 'roundrobin', allow: ['10.0.0.0/8', '192.0.2.1'] } },
    ],
  ];
  for (const [annotations, expected] of rows) {
    const options = readOptions(nginx(annotations));
    assert.deepEqual({ ...options, ...expected }, options, JSON.stringify(annotations));
    assert.deepEqual([options.invalid, options.unsupported, options.refused], [[], [], undefined]);
  }
});

test('readOptions() puts an own prefix over the other and annotations over the class', () => {
  const annotations = { ...nginx({ 'proxy-read-timeout': '1' }), 'ingress.sampan.dev/proxy-read-timeout': '2' };
  assert.equal(readOptions(annotations, { 'proxy-read-timeout': '3' }).readTimeoutMs, 2000);
  assert.equal(readOptions({}, { 'proxy-read-timeout': '3' }).readTimeoutMs, 3000);
});

test('readOptions() tells what does not count, and refuses what would open a door', () => {
  const told = readOptions(
    nginx({ 'proxy-read-timeout': 'soon', affinity: 'ip', 'configuration-snippet': 'deny all;' }),
  );
  assert.match(
    told.invalid.join('\n'),
    /affinity: expected "cookie".*\n?.*proxy-read-timeout: expected 1 to 86400 seconds/,
  );
  assert.deepEqual(told.unsupported, ['configuration-snippet']);
  const guards = ['auth-url', 'auth-type', 'limit-rps', 'denylist-source-range'];
  for (const guard of guards) assert.equal(readOptions(nginx({ [guard]: 'x' })).refused, guard);
  assert.equal(readOptions(nginx({ 'whitelist-source-range': 'everyone' })).refused, 'whitelist-source-range');
});

const names = [
  'affinity',
  'session-cookie-name',
  'session-cookie-path',
  'upstream-vhost',
  'permanent-redirect',
  'whitelist-source-range',
];

test('readOptions() never throws and lets no separator through', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })), (annotations) => {
      const { profile, redirect } = readOptions(nginx({ affinity: 'cookie', ...annotations }));
      assert.doesNotMatch(Object.values({ ...profile.cookie, host: profile.host }).join(), /['"\s%\\;]/);
      assert.doesNotMatch(redirect?.location ?? '', /[|\s]/);
    }),
  );
});
