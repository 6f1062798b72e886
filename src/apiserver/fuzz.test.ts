import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { registry } from '../api/registry.ts';
import { resourcePath } from '../api/resource.ts';
import { startTestServer, type TestServer } from '../testing/server.ts';
import { encodeProtobuf } from './protobuf/encode.ts';

/** Whatever is sent: an answer that Kubernetes could give, never a failure of the server, never another's object. */
const TYPES = [
  'application/json',
  'application/yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'application/vnd.kubernetes.protobuf',
  'text/html',
];
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'BREW'];
const HOSTILE_KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '$patch',
  '$retainKeys',
  '.',
  '',
];
const FIELDS = [
  'metadata',
  'name',
  'namespace',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
  'spec',
  'status',
  'data',
  'ports',
  'containers',
  'template',
  'selector',
  'replicas',
  'fieldsV1',
  'f:spec',
  'k:{"a":1}',
  'target',
  'deleteOptions',
];
const word = fc.oneof(fc.constantFrom(...HOSTILE_KEYS, ...FIELDS), fc.string({ maxLength: 8 }));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(
      null,
      true,
      0,
      -1,
      Number.MAX_VALUE,
      2 ** 53,
      '',
      'a',
      '../../x',
      '%2f',
      '\u0000',
      '2020-01-01T00:00:00Z',
      '10.96.0.1',
      '1000m',
    ),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(word, tie('value')), { maxLength: 5 }).map((pairs) => ownEntries(pairs)),
  ),
}));

/** `Object.fromEntries`, which makes an own `__proto__`. */
function ownEntries(pairs: [string, unknown][]): object {
  return Object.fromEntries(pairs);
}

const resources = registry.filter(({ conversion }) => !conversion);
const row = fc.constantFrom(...resources);
const subresource = fc.constantFrom(
  undefined,
  undefined,
  'status',
  'scale',
  'binding',
  'eviction',
  'finalize',
  'nothing',
);
const query = fc.dictionary(
  fc.constantFrom(
    'watch',
    'limit',
    'continue',
    'labelSelector',
    'fieldSelector',
    'resourceVersion',
    'dryRun',
    'fieldManager',
    'force',
    'pretty',
    'includeObject',
    'propagationPolicy',
    'gracePeriodSeconds',
    'fieldValidation',
  ),
  fc.oneof(
    fc.constantFrom(
      'true',
      '0',
      '-1',
      'All',
      'a=b',
      'a in (b',
      '!',
      'metadata.name=a',
      'NotOlderThan',
      'Strict',
      'eyJydiI6MSwic3RhcnQiOiIvIn0',
    ),
    fc.string({ maxLength: 6 }),
  ),
  { maxKeys: 3 },
);

const RUNS = { numRuns: 400 };

async function survives(server: TestServer, method: string, path: string, body: string | undefined, type: string) {
  const signal = AbortSignal.abort();
  const answer = await server.transport({
    method,
    path,
    headers: { 'content-type': type, accept: 'application/json' },
    ...(body === undefined ? {} : { body }),
    signal,
  });
  let text = '';
  for await (const chunk of answer.body) text += Buffer.from(chunk).toString();
  assert.ok(
    answer.status < 500 || answer.status === 504,
    `${method} ${path} ${type} ${body}: ${answer.status} ${text}`,
  );
  return { status: answer.status, text };
}

test('no document makes the server fail', async () => {
  const server = await startTestServer();
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        row,
        method: fc.constantFrom(...METHODS),
        subresource,
        type: fc.constantFrom(...TYPES),
        value,
        query,
        named: fc.boolean(),
      }),
      async ({ row: resource, method, subresource: sub, type, value: document, query: parameters, named }) => {
        const { watch: _watch, ...rest } = parameters;
        const at = {
          namespace: 'default',
          ...(named ? { name: 'a' } : {}),
          ...(sub && named ? { subresource: sub } : {}),
        };
        const path = `${resourcePath(resource, at)}?${new URLSearchParams(rest)}`;
        const { kind, group, version } = resource;
        const apiVersion = group === '' ? version : `${group}/${version}`;
        const whole = { apiVersion, kind, metadata: { name: 'a' }, ...(document as object) };
        await survives(server, method, path, JSON.stringify(method === 'PATCH' ? document : whole), type);
      },
    ),
    RUNS,
  );
  assert.equal(({} as Record<string, unknown>)['name'], undefined);
});

const CONTAINERS = [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }], resources: { limits: { cpu: '1' } } }];
const TEMPLATE = { metadata: { labels: { a: 'b' } }, spec: { containers: CONTAINERS } };
const GOOD: Record<string, object> = {
  '/api/v1/namespaces/default/configmaps': { data: { x: '1' }, binaryData: { y: 'AA==' } },
  '/api/v1/namespaces/default/pods': { spec: { ...TEMPLATE.spec, volumes: [{ name: 'v', emptyDir: {} }] } },
  '/api/v1/namespaces/default/services': { spec: { ports: [{ port: 80, name: 'p' }], selector: { a: 'b' } } },
  '/apis/apps/v1/namespaces/default/deployments': {
    spec: { replicas: 1, selector: { matchLabels: { a: 'b' } }, template: TEMPLATE },
    status: { conditions: [{ type: 'Available', status: 'True' }] },
  },
  '/api/v1/nodes': { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] }, status: { addresses: [] } },
  '/apis/rbac.authorization.k8s.io/v1/clusterroles': { rules: [{ apiGroups: [''], resources: ['x'], verbs: ['get'] }] },
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions': {
    spec: {
      group: 'e.io',
      names: { plural: 'a', kind: 'A' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  },
};
const METADATA = {
  name: 'a',
  labels: { a: 'b' },
  annotations: { c: 'd' },
  finalizers: ['e.io/f'],
  ownerReferences: [],
};

/** `object` with the part at a place of its own replaced. */
function withPart(object: unknown, places: readonly number[], part: unknown): unknown {
  const [place, ...rest] = places;
  if (place === undefined || typeof object !== 'object' || object === null) return part;
  const entries = Object.entries(object);
  if (entries.length === 0) return part;
  const at = place % (entries.length + 1);
  if (at === entries.length && !Array.isArray(object))
    return ownEntries([...entries, [FIELDS[place % FIELDS.length]!, part]]);
  const changed = entries.map(([name, inner], index): [string, unknown] => [
    name,
    index === at ? withPart(inner, rest, part) : inner,
  ]);
  return Array.isArray(object) ? changed.map(([, inner]) => inner) : ownEntries(changed);
}

const PATCHES = TYPES.slice(2, 6);

test('no part of a good object makes the server fail', async () => {
  const server = await startTestServer();
  const seen = new Set<number>();
  const places = fc.array(fc.nat(40), { maxLength: 7 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(GOOD)),
      fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE'),
      fc.constantFrom(...PATCHES),
      places,
      value,
      fc.constantFrom('', '/status', '/scale'),
      async (collection, method, patchType, at, part, sub) => {
        const object = withPart({ metadata: METADATA, ...GOOD[collection] }, at, part);
        const path = method === 'POST' ? collection : `${collection}/a${sub}`;
        const type = method === 'PATCH' ? patchType : TYPES[0]!;
        const query = method === 'PATCH' && patchType === PATCHES[3] ? '?fieldManager=f&force=true' : '';
        const { status } = await survives(
          server,
          method,
          `${path}${query}`,
          JSON.stringify(typed(collection, object)),
          type,
        );
        seen.add(status);
      },
    ),
    { numRuns: 3000 },
  );
  for (const status of [200, 201, 400, 404, 409, 422]) assert.ok(seen.has(status), `${status} never came`);
});

function typed(collection: string, object: unknown): unknown {
  const resource = resources.find((one) => resourcePath(one, { namespace: 'default' }) === collection)!;
  const { kind, group, version } = resource;
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return object;
  return { apiVersion: group === '' ? version : `${group}/${version}`, kind, ...object };
}

test('no broken text makes the server fail', async () => {
  const server = await startTestServer();
  const good = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
    spec: { containers: [{ name: 'c' }] },
  });
  const broken = fc
    .tuple(fc.nat(good.length), fc.nat(good.length), fc.string({ maxLength: 4 }))
    .map(([from, length, inserted]) => good.slice(0, from) + inserted + good.slice(from + length));
  await fc.assert(
    fc.asyncProperty(
      broken,
      fc.constantFrom(...TYPES),
      fc.constantFrom('POST', 'PUT', 'PATCH'),
      async (text, type, method) => {
        const name = method === 'POST' ? '' : '/a';
        await survives(server, method, `/api/v1/namespaces/default/pods${name}?fieldManager=x`, text, type);
      },
    ),
    RUNS,
  );
});

const DEEP = 20_000;
const BOMB = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d]\n`;

test('deep and growing documents are refused', async () => {
  const server = await startTestServer();
  const rows = [
    `{"metadata":{"name":"a"},"data":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`,
    `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
    BOMB,
    `${'- '.repeat(2000)}a`,
    '\ud800',
  ];
  for (const text of rows) {
    for (const type of TYPES) {
      await survives(server, 'POST', '/api/v1/namespaces/default/configmaps', text, type);
      await survives(server, 'PATCH', '/api/v1/namespaces/default/configmaps/a?fieldManager=x', text, type);
    }
  }
});

test('no path leads out of its namespace', async () => {
  const server = await startTestServer();
  await server.request('POST', '/api/v1/namespaces', { metadata: { name: 'secret' } });
  await server.request('POST', '/api/v1/namespaces/secret/configmaps', {
    metadata: { name: 'a' },
    data: { x: 'HIDDEN' },
  });
  const piece = fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '%2f',
    '/',
    '//',
    'a',
    'secret',
    'configmaps',
    'default',
    '%2fsecret%2f',
    '%00',
    '%',
    'namespaces',
    'secret%2Fa',
    '..%2fsecret%2fa',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 6 }),
      fc.constantFrom('GET', 'DELETE', 'PUT', 'PATCH'),
      async (pieces, method) => {
        const path = `/api/v1/namespaces/default/configmaps/${pieces.join('/')}`;
        const { text } = await survives(server, method, path, method === 'GET' ? undefined : '{}', TYPES[3]!);
        assert.doesNotMatch(text, /HIDDEN/);
      },
    ),
    RUNS,
  );
  const token = Buffer.from(JSON.stringify({ rv: -1, start: '/core/configmaps/secret/' })).toString('base64url');
  const { text: listed } = await survives(
    server,
    'GET',
    `/api/v1/namespaces/default/configmaps?limit=5&continue=${token}`,
    undefined,
    TYPES[0]!,
  );
  assert.doesNotMatch(listed, /HIDDEN/);
  assert.equal((await server.request('GET', '/api/v1/namespaces/secret/configmaps/a')).body.data.x, 'HIDDEN');
});

test('broken protobuf is a bad request for every kind', async () => {
  const server = await startTestServer();
  const body = encodeProtobuf({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { x: '1' } });
  await fc.assert(
    fc.asyncProperty(fc.nat(body.length - 1), fc.nat(255), async (at, octet) => {
      const broken = Buffer.from(body);
      broken[at] = octet;
      await survives(server, 'POST', '/api/v1/namespaces/default/configmaps', broken.toString('latin1'), TYPES[6]!);
    }),
    { numRuns: 200 },
  );
});
