import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from '../../api/registry.ts';
import { createLogger } from '../../lib/log.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { FakeClock } from '../../testing/clock.ts';
import { createAudit } from '../audit/audit.ts';
import { metadataPolicy, parseAuditPolicy } from '../audit/policy.ts';
import { impersonate } from '../auth/impersonate.ts';
import { Catalog } from '../catalog.ts';
import type { Filter } from '../filter.ts';
import { inProcessTransport } from '../in-process.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { countEvents } from '../metrics/watch-events.ts';
import type { UserInfo } from '../request.ts';
import { createApiServer } from '../server.ts';
import { createLimiter } from './limiter.ts';

const JANE: UserInfo = { username: 'jane', uid: '7', groups: ['dev'] };
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const SECRETS = '/api/v1/namespaces/default/secrets';

async function startServer(makeFilters: (base: { clock: FakeClock; logged: string[] }) => Filter[] = () => []) {
  const clock = new FakeClock();
  const logged: string[] = [];
  const store = createMemoryStore();
  const catalog = new Catalog(registry);
  const process = {
    cpuMicroseconds: () => 2_500_000,
    residentBytes: () => 7,
    heapBytes: () => 5,
    openFiles: () => 3,
    startSeconds: 1,
  };
  const metrics = createMetrics({ store, catalog, clock, process });
  const log = createLogger({ write: (line) => logged.push(line), now: () => 0 });
  const filters = [...makeFilters({ clock, logged }), metrics.filter];
  const server = createApiServer({ store, catalog, clock, random: () => 0.5, log, filters, paths: [metrics.path] });
  const send = async (method: string, path: string, body?: unknown, user = JANE) => {
    const headers = { 'content-type': 'application/json', 'user-agent': 'test/1' };
    const text = typeof body === 'string' ? body : body ? JSON.stringify(body) : '';
    const answer = await inProcessTransport(server, user)({ method, path, headers, body: text });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    return { ...answer, text: Buffer.concat(chunks).toString() };
  };
  await send('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  return { send, clock, logged, metrics, server };
}

test('metrics: requests, objects and the process, under kube-apiserver’s names', async () => {
  const { send } = await startServer();
  await send('POST', `${CONFIG_MAPS}?dryRun=All`, { metadata: { name: 'a' } });
  await send('GET', `${CONFIG_MAPS}/missing`);
  const { text, headers } = await send('GET', '/metrics');
  assert.match(headers['content-type']!, /^text\/plain; version=0\.0\.4/);
  const lines = text.split('\n');
  const line = (start: string) => lines.find((each) => each.startsWith(start));
  const at = (verb: string, scope: string) =>
    `verb="${verb}",group="",version="v1",resource="configmaps",subresource="",scope="${scope}",component="apiserver"`;
  assert.equal(line(`apiserver_request_total{${at('POST', 'namespace')}`)?.split('} ')[1], '1');
  assert.match(line(`apiserver_request_total{${at('POST', 'namespace')}`)!, /dry_run="All",code="201"/);
  assert.match(line(`apiserver_request_total{${at('GET', 'resource')}`)!, /code="404"/);
  assert.ok(line(`apiserver_request_duration_seconds_bucket{le="0.005",${at('GET', 'resource')}`));
  assert.ok(lines.includes('apiserver_storage_objects{resource="namespaces"} 1'));
  assert.ok(lines.includes('process_cpu_seconds_total 2.5'));
  assert.ok(lines.includes('process_resident_memory_bytes 7'));
});

test('countEvents: lines of JSON and frames of protobuf', () => {
  assert.equal(countEvents('{"a":1}\n{"b":2}\n'), 2);
  assert.equal(countEvents(Buffer.from('{"a":1}\n')), 1);
  assert.equal(countEvents(Buffer.from([0, 0, 0, 2, 1, 2, 0, 0, 0, 1, 9])), 2);
});

function auditing(policy = metadataPolicy) {
  const events: ReturnType<typeof JSON.parse>[] = [];
  const filters = ({ clock }: { clock: FakeClock }) => [
    createAudit({ clock, policy, write: (line) => events.push(JSON.parse(line)) }),
  ];
  return { events, filters };
}

test('audit: one event a request, with who, what and how it ended', async () => {
  const { events, filters } = auditing();
  const { send } = await startServer(filters);
  events.length = 0;
  const { headers } = await send('POST', `${CONFIG_MAPS}?fieldManager=x`, {
    metadata: { name: 'a' },
    data: { k: 'v' },
  });
  await send('GET', `${CONFIG_MAPS}/missing`);
  const [created, missing] = events;
  assert.match(created.auditID, /^[0-9a-f-]{36}$/);
  assert.equal(headers['audit-id'], created.auditID);
  assert.deepEqual(
    { ...created, auditID: '', requestReceivedTimestamp: '', stageTimestamp: '' },
    {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'Metadata',
      auditID: '',
      stage: 'ResponseComplete',
      requestURI: `${CONFIG_MAPS}?fieldManager=x`,
      verb: 'create',
      user: { username: 'jane', uid: '7', groups: ['dev'] },
      userAgent: 'test/1',
      objectRef: { resource: 'configmaps', namespace: 'default', apiVersion: 'v1' },
      requestReceivedTimestamp: '',
      stageTimestamp: '',
      responseStatus: { metadata: {}, code: 201 },
    },
  );
  assert.deepEqual(missing.responseStatus, {
    metadata: {},
    status: 'Failure',
    message: 'configmaps "missing" not found',
    reason: 'NotFound',
    code: 404,
  });
});

test('audit: who is impersonated stands beside who asks', async () => {
  const { events, filters } = auditing();
  const { send } = await startServer(filters);
  const allowing = { authorize: () => {} } as unknown as Parameters<typeof impersonate>[0];
  const bob = impersonate(allowing, JANE, { 'impersonate-user': ['bob'] });
  await send('GET', CONFIG_MAPS, undefined, bob);
  const { user, impersonatedUser } = events.at(-1)!;
  assert.deepEqual([user.username, impersonatedUser.username], ['jane', 'bob']);
});

const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [quiet]
- level: None
  nonResourceURLs: ['/healthz*']
- level: RequestResponse
  resources: [{group: '', resources: [configmaps, secrets]}]
  verbs: [create]
- level: Metadata
  namespaces: [default]
`;

test('audit: the first rule that matches counts', async () => {
  const { events, filters } = auditing(parseAuditPolicy(POLICY));
  const { send } = await startServer(filters);
  await send('GET', CONFIG_MAPS, undefined, { username: 'quiet', groups: [] });
  await send('GET', '/healthz/ping');
  await send('GET', '/api/v1/nodes');
  assert.equal(events.length, 0);
  await send('POST', CONFIG_MAPS, { metadata: { name: 'a' }, data: { k: 'v' } });
  await send('GET', CONFIG_MAPS);
  assert.deepEqual(
    events.map(({ level }) => level),
    ['RequestResponse', 'Metadata'],
  );
  assert.deepEqual(events[0].requestObject.data, { k: 'v' });
  assert.equal(events[0].responseObject.kind, 'ConfigMap');
  assert.throws(() => parseAuditPolicy('kind: Other'), /expected kind Policy of audit\.k8s\.io\/v1/);
  assert.throws(
    () => parseAuditPolicy('{kind: Policy, apiVersion: audit.k8s.io/v1, rules: [{level: Loud}]}'),
    /actual Loud/,
  );
});

test('what is in a Secret, and tokens, are in no log whatever is asked for', async () => {
  const everything = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]';
  const { events, filters } = auditing(parseAuditPolicy(everything));
  const { send, logged, server } = await startServer(filters);
  const hidden = Buffer.from('hunter2').toString('base64');
  await send('POST', SECRETS, { metadata: { name: 's' }, data: { password: hidden } });
  await send('POST', SECRETS, { metadata: { name: 't' }, stringData: { password: 'hunter2' } });
  await send('PUT', `${SECRETS}/s`, { metadata: { name: 's' }, data: { password: 'hunter2' } });
  await send('GET', SECRETS);
  await send('POST', SECRETS, '{"data":{"password":"hunter2"');
  await send('POST', SECRETS, { metadata: { name: 'u' }, data: 'hunter2' });
  const request = {
    method: 'POST',
    path: SECRETS,
    query: new URLSearchParams(),
    headers: {},
    user: JANE,
    body: () => Promise.resolve({ toString: () => 'hunter2' } as unknown as Buffer),
    signal: new AbortController().signal,
  };
  assert.equal((await server.handle(request)).status >= 400, true);
  const all = JSON.stringify(events) + logged.join('\n');
  assert.ok(events.length >= 7);
  assert.doesNotMatch(all, /hunter2/);
  assert.ok(!all.includes(hidden));
});

test('limits: what is too much waits for its turn, then is turned away; administrators and watches do not count', async () => {
  const gates: (() => void)[] = [];
  const dropped: string[] = [];
  const blocked: Filter = async (request, _info, next) => {
    if (request.query.get('block')) await new Promise<void>((resolve) => gates.push(resolve));
    return next(request);
  };
  const { send, clock } = await startServer((base) => [
    createLimiter({
      ...base,
      readOnly: 1,
      mutating: 1,
      queueLength: 1,
      waitMs: 1000,
      onDropped: (kind) => dropped.push(kind),
    }),
    blocked,
  ]);
  const slow = send('GET', `${CONFIG_MAPS}?block=1`);
  const waits = send('GET', CONFIG_MAPS);
  const full = await send('GET', CONFIG_MAPS);
  assert.deepEqual([full.status, full.headers['retry-after']], [429, '1']);
  assert.equal(JSON.parse(full.text).message, 'Too many requests, please try again later.');
  assert.equal((await send('POST', CONFIG_MAPS, { metadata: { name: 'a' } })).status, 201);
  const admin = { username: 'admin', groups: ['system:masters'] };
  assert.equal((await send('GET', CONFIG_MAPS, undefined, admin)).status, 200);
  gates[0]!();
  assert.deepEqual([(await slow).status, (await waits).status], [200, 200]);
  const again = send('GET', `${CONFIG_MAPS}?block=1`);
  const late = send('GET', CONFIG_MAPS);
  clock.advance(1000);
  assert.equal((await late).status, 429);
  gates[1]!();
  assert.equal((await again).status, 200);
  assert.deepEqual(dropped, ['readOnly', 'readOnly']);
});
