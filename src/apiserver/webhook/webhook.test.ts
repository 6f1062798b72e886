import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { registry } from '../../api/registry.ts';
import { systemClock } from '../../lib/clock.ts';
import { createLogger } from '../../lib/log.ts';
import { createAuthority, issueCertificate } from '../../pki/authority.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { Catalog } from '../catalog.ts';
import { inProcessTransport } from '../in-process.ts';
import { createApiServer } from '../server.ts';
import { createWebhookCaller } from './call.ts';
import { resolveEndpoint } from './endpoint.ts';
import { createMutatingWebhooks, createValidatingWebhooks } from './plugin.ts';

// biome-ignore lint/suspicious/noExplicitAny: reviews and answers of every kind
type Json = any;

const authority = createAuthority({ commonName: 'hooks', clock: systemClock });
const caBundle = Buffer.from(authority.certPem).toString('base64');
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1';

/** A webhook on 127.0.0.1 whose paths answer as `handlers` say; undefined: never. */
async function startWebhook(
  handlers: Record<string, (request: Json) => object | undefined>,
  dnsNames = ['hook.default.svc'],
) {
  const { certPem, keyPem } = issueCertificate(authority, {
    commonName: 'hook',
    dnsNames,
    ipAddresses: ['127.0.0.1'],
    usage: 'server',
  });
  const seen: Json[] = [];
  const server = createServer({ cert: certPem, key: keyPem }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const review = JSON.parse(Buffer.concat(chunks).toString());
    seen.push(review.request);
    const answer = handlers[request.url!]?.(review.request);
    if (!answer) return;
    const { apiVersion, kind } = review;
    response.end(JSON.stringify({ apiVersion, kind, response: { uid: review.request.uid, ...answer } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port, seen, url: (path: string) => ({ url: `https://127.0.0.1:${port}${path}`, caBundle }) };
}

async function startServer() {
  const store = createMemoryStore();
  const catalog = new Catalog(registry);
  const logged: string[] = [];
  const log = createLogger({ write: (line) => logged.push(line), now: () => 0 });
  const base = { store, catalog, clock: systemClock, random: () => 0.5, log };
  const conditions = (expression: string) => {
    if (expression === 'broken') throw new Error('no such key');
    return expression === 'true';
  };
  const options = { ...base, call: createWebhookCaller(base), conditions };
  const plugins = [createMutatingWebhooks(options), createValidatingWebhooks(options)];
  const server = createApiServer({ ...base, plugins });
  const transport = inProcessTransport(server, { username: 'jane', uid: '7', groups: ['dev'], extra: { a: ['b'] } });
  const request = async (method: string, path: string, body?: Json) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await transport({ method, path, headers, body: body ? JSON.stringify(body) : '' });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    return {
      status: answer.status,
      headers: answer.headers,
      body: JSON.parse(Buffer.concat(chunks).toString()) as Json,
    };
  };
  await request('POST', '/api/v1/namespaces', { metadata: { name: 'default', labels: { team: 'a' } } });
  const configure = async (kind: 'mutating' | 'validating', webhooks: Json[], name = 'hooks') => {
    const rules = [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }];
    const common = { rules, sideEffects: 'None', admissionReviewVersions: ['v1'] };
    const all = webhooks.map((webhook, index) => ({ name: `h${index}.example.com`, ...common, ...webhook }));
    const body = { metadata: { name }, webhooks: all };
    const created = await request('POST', `${CONFIGURATIONS}/${kind}webhookconfigurations`, body);
    assert.equal(created.status, 201, created.body.message);
  };
  return { request, configure, logged, store };
}

function labelPatch(key: string, value: string) {
  const patch = [{ op: 'add', path: '/metadata/labels', value: { [key]: value } }];
  return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
}

test('a validating webhook sees the whole request, and its refusal is the answer', async () => {
  const hook = await startWebhook({
    '/v': ({ name }) =>
      name === 'bad'
        ? { allowed: false, status: { message: 'not that one', code: 418, reason: 'Teapot' } }
        : { allowed: true, warnings: ['hm'] },
    '/bare': () => ({ allowed: false }),
  });
  const { request, configure } = await startServer();
  await configure('validating', [{ clientConfig: hook.url('/v') }]);
  const good = await request('POST', CONFIG_MAPS, { metadata: { name: 'good' }, data: { a: '1' } });
  assert.deepEqual([good.status, good.headers['warning']], [201, '299 - "hm"']);
  const { uid, object, ...rest } = hook.seen[0];
  assert.match(uid, /^[0-9a-f-]{36}$/);
  assert.deepEqual([object.kind, object.metadata.name, object.data], ['ConfigMap', 'good', { a: '1' }]);
  assert.deepEqual(rest, {
    kind: { group: '', version: 'v1', kind: 'ConfigMap' },
    resource: { group: '', version: 'v1', resource: 'configmaps' },
    requestKind: { group: '', version: 'v1', kind: 'ConfigMap' },
    requestResource: { group: '', version: 'v1', resource: 'configmaps' },
    name: 'good',
    namespace: 'default',
    operation: 'CREATE',
    userInfo: { username: 'jane', uid: '7', groups: ['dev'], extra: { a: ['b'] } },
    oldObject: null,
    dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
  });
  const bad = await request('POST', CONFIG_MAPS, { metadata: { name: 'bad' } });
  assert.deepEqual(
    [bad.status, bad.body.reason, bad.body.message],
    [418, 'Teapot', 'admission webhook "h0.example.com" denied the request: not that one'],
  );
  await configure('validating', [{ clientConfig: hook.url('/bare') }], 'z');
  const bare = await request('DELETE', `${CONFIG_MAPS}/good`);
  assert.deepEqual(
    [bare.status, bare.body.message],
    [400, 'admission webhook "h0.example.com" denied the request without explanation'],
  );
  assert.deepEqual([hook.seen.at(-1).object, hook.seen.at(-1).oldObject.metadata.name], [null, 'good']);
});

test('mutating webhooks run in order of names, each on the work of the former, and again if they want to', async () => {
  const hook = await startWebhook({
    '/first': ({ object }) => labelPatch('seen', object.metadata.labels?.step ?? 'nothing'),
    '/second': ({ object }) => labelPatch('step', `after-${object.metadata.labels?.seen}`),
  });
  const { request, configure } = await startServer();
  await configure('mutating', [{ clientConfig: hook.url('/second') }], 'b');
  await configure('mutating', [{ clientConfig: hook.url('/first'), reinvocationPolicy: 'IfNeeded' }], 'a');
  const { body } = await request('POST', CONFIG_MAPS, { metadata: { name: 'x' } });
  assert.deepEqual(body.metadata.labels, { seen: 'after-nothing' });
  assert.deepEqual(
    hook.seen.map(({ object }) => object.metadata.labels),
    [undefined, { seen: 'nothing' }, { step: 'after-nothing' }],
  );
  const dry = await request('POST', `${CONFIG_MAPS}?dryRun=All`, { metadata: { name: 'y' } });
  assert.deepEqual([dry.status, hook.seen.at(-1).dryRun], [201, true]);
});

test('a webhook that fails: refused, or let through, as its policy says', async () => {
  const hook = await startWebhook({ '/wrong': () => ({ uid: 'x', allowed: true }), '/silent': () => undefined });
  const { request, configure, logged } = await startServer();
  await configure('validating', [{ clientConfig: hook.url('/wrong'), failurePolicy: 'Ignore' }], 'ignored');
  assert.equal((await request('POST', CONFIG_MAPS, { metadata: { name: 'x' } })).status, 201);
  assert.match(logged.join(), /webhook failed and was ignored/);
  await configure('validating', [{ clientConfig: hook.url('/silent'), timeoutSeconds: 1 }], 'late');
  const { status, body } = await request('POST', CONFIG_MAPS, { metadata: { name: 'y' } });
  assert.equal(status, 500);
  assert.equal(
    body.message,
    `Internal error occurred: failed calling webhook "h0.example.com": failed to call webhook: Post "https://127.0.0.1:${hook.port}/silent?timeout=1s": context deadline exceeded`,
  );
});

test('what a webhook adds is its requester’s', async () => {
  const hook = await startWebhook({ '/m': () => labelPatch('added', 'yes') });
  const { request, configure } = await startServer();
  await configure('mutating', [{ clientConfig: hook.url('/m') }]);
  const { body } = await request('POST', `${CONFIG_MAPS}?fieldManager=me`, { metadata: { name: 'x' } });
  const [{ manager, fieldsV1 }] = body.metadata.managedFields;
  assert.deepEqual([manager, Object.keys(fieldsV1['f:metadata']['f:labels'])], ['me', ['.', 'f:added']]);
});

const SERVICE = { namespace: 'default', name: 'hook', path: 'v', port: 8443 };

test('a Service without an endpoint fails the write, with the reason', async () => {
  const { request, configure } = await startServer();
  await configure('validating', [{ clientConfig: { service: SERVICE, caBundle } }]);
  const create = async () => (await request('POST', CONFIG_MAPS, { metadata: { name: 'x' } })).body.message;
  assert.match(await create(), /failed calling webhook "h0.example.com": service "hook" not found$/);
  const ports = [{ name: 'https', port: 8443, targetPort: 9443 }];
  const spec = { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], ports };
  await request('POST', '/api/v1/namespaces/default/services', { metadata: { name: 'hook' }, spec });
  assert.match(await create(), /no endpoints available for service "hook"$/);
  const slice = {
    metadata: { name: 'hook-1', labels: { 'kubernetes.io/service-name': 'hook' } },
    addressType: 'IPv4',
    endpoints: [
      { addresses: ['10.244.0.9'], conditions: { ready: false } },
      { addresses: ['10.244.0.10'], conditions: { ready: true } },
    ],
    ports: [{ name: 'https', port: 9443, protocol: 'TCP' }],
  };
  const { store } = await startServer();
  await store.put('/core/services/default/hook', () => JSON.stringify({ spec: { ports } }), 0);
  await store.put('/discovery.k8s.io/endpointslices/default/hook-1', () => JSON.stringify(slice), 0);
  assert.deepEqual(resolveEndpoint({ store, random: () => 0.99 }, { service: SERVICE }), {
    host: '10.244.0.10',
    port: 9443,
    path: '/v',
    serverName: 'hook.default.svc',
    url: 'https://hook.default.svc:8443/v',
  });
});

test('a webhook must have a certificate of its name, from its authority', async () => {
  const hook = await startWebhook({ '/v': () => ({ allowed: true }) });
  const call = createWebhookCaller({ clock: systemClock });
  const endpoint = { host: '127.0.0.1', port: hook.port, path: '/v', serverName: 'hook.default.svc', url: '' };
  const body = JSON.stringify({ request: { uid: 'u' } });
  const ask = (serverName: string, ca?: string) =>
    call({ endpoint: { ...endpoint, serverName }, ca, body, timeoutMs: 5_000 });
  assert.deepEqual(await ask('hook.default.svc', authority.certPem), { response: { uid: 'u', allowed: true } });
  await assert.rejects(ask('other.default.svc', authority.certPem), /does not match certificate/);
  await assert.rejects(ask('hook.default.svc'), /certificate/);
});

test('selectors and conditions say what concerns a webhook', async () => {
  const hook = await startWebhook({ '/no': () => ({ allowed: false }) });
  const { request, configure } = await startServer();
  const webhook = { clientConfig: hook.url('/no') };
  await configure('validating', [
    { ...webhook, namespaceSelector: { matchLabels: { team: 'b' } } },
    { ...webhook, objectSelector: { matchLabels: { watched: 'yes' } } },
    {
      ...webhook,
      matchConditions: [
        { name: 'a', expression: 'broken' },
        { name: 'b', expression: 'false' },
      ],
    },
    { ...webhook, failurePolicy: 'Ignore', matchConditions: [{ name: 'a', expression: 'broken' }] },
  ]);
  const create = async (metadata: object) => (await request('POST', CONFIG_MAPS, { metadata })).status;
  assert.equal(await create({ name: 'x' }), 201);
  assert.equal(await create({ name: 'y', labels: { watched: 'yes' } }), 400);
  assert.equal(hook.seen.length, 1);
});

const INVALID: [string, Json, RegExp][] = [
  [
    'a short name',
    { name: 'x' },
    /webhooks\[0\]\.name: Invalid value: "x": should be a domain with at least three segments separated by dots/,
  ],
  [
    'no review version',
    { admissionReviewVersions: [] },
    /admissionReviewVersions: Required value: must specify one of v1, v1beta1/,
  ],
  [
    'side effects',
    { sideEffects: 'Some' },
    /sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"/,
  ],
  [
    'a long wait',
    { timeoutSeconds: 31 },
    /timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds/,
  ],
  ['no address', { clientConfig: {} }, /clientConfig: Required value: exactly one of url or service is required/],
  [
    'plain HTTP',
    { clientConfig: { url: 'http://x' } },
    /clientConfig\.url: Invalid value: "http:\/\/x": 'https' is the only allowed URL scheme/,
  ],
  [
    'an unknown operation',
    { rules: [{ operations: ['GET'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }] },
    /rules\[0\]\.operations\[0\]: Unsupported value: "GET"/,
  ],
];

for (const [name, fields, message] of INVALID) {
  test(`a configuration with ${name} is refused`, async () => {
    const { request } = await startServer();
    const good = {
      name: 'a.b.c',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      clientConfig: { url: 'https://x' },
    };
    const body = { metadata: { name: 'x' }, webhooks: [{ ...good, ...fields }] };
    const answer = await request('POST', `${CONFIGURATIONS}/validatingwebhookconfigurations`, body);
    assert.equal(answer.status, 422, answer.body.message);
    assert.match(answer.body.message, message);
  });
}
