import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../testing/clock.ts';
import { startTestServer, type TestServer } from '../testing/server.ts';
import { startWatch } from '../testing/watch.ts';
import { decodeProtobuf } from './protobuf/decode.ts';
import { createReader } from './protobuf/scalars.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const META = 'g=meta.k8s.io;v=v1';
const MERGE = { 'content-type': 'application/merge-patch+json' };

async function filled(server: TestServer, names: string[]): Promise<void> {
  for (const name of names)
    await server.request('POST', CONFIG_MAPS, { metadata: { name, labels: { of: name } }, data: { x: name } });
}

test('query options are checked in Kubernetes words', async () => {
  const { request } = await startTestServer();
  const invalid = (kind: string, why: string) => [422, `${kind}.meta.k8s.io "" is invalid: ${why}`] as const;
  const rows: [method: string, query: string, code: number, message: string][] = [
    ['GET', 'limit=x', 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
    [
      'GET',
      'resourceVersion=x',
      400,
      'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
    ],
    [
      'GET',
      'resourceVersionMatch=Exact',
      ...invalid(
        'ListOptions',
        'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
      ),
    ],
    [
      'GET',
      'resourceVersionMatch=Some&resourceVersion=1',
      ...invalid(
        'ListOptions',
        'resourceVersionMatch: Unsupported value: "Some": supported values: "Exact", "NotOlderThan", ""',
      ),
    ],
    [
      'GET',
      'resourceVersionMatch=Exact&resourceVersion=0',
      ...invalid(
        'ListOptions',
        'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
      ),
    ],
    [
      'GET',
      'sendInitialEvents=true',
      ...invalid('ListOptions', 'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list'),
    ],
    [
      'GET',
      'watch=1&sendInitialEvents=true',
      ...invalid(
        'ListOptions',
        'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      ),
    ],
    [
      'GET',
      'watch=1&resourceVersionMatch=Exact&resourceVersion=1',
      ...invalid(
        'ListOptions',
        'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      ),
    ],
    ['GET', 'continue=zzz', 400, 'continue key is not valid: it must be a token that the server gave'],
    [
      'GET',
      'continue=eyJydiI6MSwic3RhcnQiOiIvIn0&resourceVersion=1',
      400,
      'specifying resource version is not allowed when using continue',
    ],
    ['GET', 'labelSelector=a+in', 400, 'unable to parse requirement: found \'a in\' in label selector "a in"'],
    [
      'GET',
      'fieldSelector=spec.x%3D1',
      400,
      '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ],
    ['GET', 'includeObject=Some', 400, 'unrecognized includeObject value: "Some"'],
    ['POST', 'dryRun=Some', ...invalid('CreateOptions', 'dryRun: Unsupported value: "Some": supported values: "All"')],
    [
      'POST',
      'fieldValidation=Loose',
      ...invalid(
        'CreateOptions',
        'fieldValidation: Unsupported value: "Loose": supported values: "Ignore", "Warn", "Strict"',
      ),
    ],
    [
      'DELETE',
      'propagationPolicy=Some',
      ...invalid(
        'DeleteOptions',
        'propagationPolicy: Unsupported value: "Some": supported values: "Foreground", "Background", "Orphan", "nil"',
      ),
    ],
    ['DELETE', 'gracePeriodSeconds=soon', 400, 'strconv.ParseInt: parsing "soon": invalid syntax'],
  ];
  for (const [method, query, code, message] of rows) {
    const body = method === 'POST' ? { metadata: { name: 'a' } } : undefined;
    const answer = await request(method, `${CONFIG_MAPS}?${query}`, body);
    assert.deepEqual([answer.status, answer.body.message], [code, message], query);
  }
});

test('pages are one snapshot; when it is gone the rest can be had as it is', async () => {
  const server = await startTestServer({ historyLimit: 8 });
  await filled(server, ['a', 'b', 'c', 'd']);
  const first = await server.request('GET', `${CONFIG_MAPS}?limit=2`);
  assert.equal(first.body.metadata.remainingItemCount, 2);
  await server.request('DELETE', `${CONFIG_MAPS}/c`);
  const second = await server.request('GET', `${CONFIG_MAPS}?limit=2&continue=${first.body.metadata.continue}`);
  assert.deepEqual(namesOf(second.body), ['c', 'd']);
  assert.equal(second.body.metadata.resourceVersion, first.body.metadata.resourceVersion);
  await filled(
    server,
    Array.from({ length: 20 }, (_, i) => `x${i}`),
  );
  const late = await server.request('GET', `${CONFIG_MAPS}?limit=2&continue=${first.body.metadata.continue}`);
  assert.deepEqual([late.status, late.body.reason], [410, 'Expired']);
  const rest = await server.request('GET', `${CONFIG_MAPS}?limit=2&continue=${late.body.metadata.continue}`);
  assert.deepEqual(namesOf(rest.body), ['d', 'x0']);
});

function namesOf(list: { items: { metadata: { name: string } }[] }): string[] {
  return list.items.map(({ metadata }) => metadata.name);
}

test('lists at an exact revision, and not before it is reached', async () => {
  const server = await startTestServer();
  await filled(server, ['a']);
  const { resourceVersion } = (await server.request('GET', CONFIG_MAPS)).body.metadata;
  await filled(server, ['b']);
  const at = (match: string) =>
    server.request('GET', `${CONFIG_MAPS}?resourceVersion=${resourceVersion}&resourceVersionMatch=${match}`);
  assert.deepEqual(namesOf((await at('Exact')).body), ['a']);
  assert.deepEqual(namesOf((await at('NotOlderThan')).body), ['a', 'b']);
  const ahead = await server.request('GET', `${CONFIG_MAPS}?resourceVersion=999`);
  assert.deepEqual([ahead.status, ahead.body.reason, ahead.body.details.retryAfterSeconds], [504, 'Timeout', 1]);
});

test('objects are stored as their type reads them', async () => {
  const { request } = await startTestServer();
  const pods = '/api/v1/namespaces/default/pods';
  const sent = {
    metadata: { name: 'p', labels: { a: null }, annotations: null },
    spec: {
      containers: [{ name: 'c', image: 'i', foo: 1, resources: { limits: { cpu: '1000m', memory: '1024Mi' } } }],
      bar: {},
    },
  };
  const created = await request('POST', `${pods}?fieldValidation=Ignore`, sent);
  assert.equal(created.headers['warning'], undefined);
  const { metadata, spec } = created.body;
  assert.deepEqual(
    [metadata.labels, metadata.annotations, spec.bar, spec.containers[0].foo],
    [{ a: '' }, undefined, undefined, undefined],
  );
  assert.deepEqual(spec.containers[0].resources.limits, { cpu: '1', memory: '1Gi' });
  const warned = await request('POST', pods, { ...sent, metadata: { name: 'q' } });
  assert.match(
    warned.headers['warning']!,
    /^299 - "unknown field \\"spec.containers\[0\].foo\\"", 299 - "unknown field \\"spec.bar\\""/,
  );
  const patched = await request('PATCH', `${pods}/p`, { spec: { bar: 1 }, metadata: { labels: { b: 'c' } } }, MERGE);
  assert.equal(patched.body.spec.bar, undefined);
  const twice = '{"metadata":{"name":"t"},"data":{"x":"1","x":"2"}}';
  const strict = await request('POST', `${CONFIG_MAPS}?fieldValidation=Strict`, twice);
  assert.match(strict.body.message, /strict decoding error: duplicate field "data.x"$/);
  const loose = await request('POST', CONFIG_MAPS, twice);
  assert.deepEqual([loose.body.data.x, loose.headers['warning']], ['2', '299 - "duplicate field \\"data.x\\""']);
});

test('answers are indented for people, and on request', async () => {
  const server = await startTestServer();
  await filled(server, ['a']);
  const raw = async (path: string, headers = {}) => {
    const answer = await server.transport({ method: 'GET', path, headers });
    let text = '';
    for await (const chunk of answer.body) text += Buffer.from(chunk).toString();
    return text;
  };
  const plain = await raw(`${CONFIG_MAPS}/a`);
  assert.equal(await raw(`${CONFIG_MAPS}/a?pretty=true`), `${JSON.stringify(JSON.parse(plain), undefined, 2)}\n`);
  assert.match(await raw(`${CONFIG_MAPS}/none`, { 'user-agent': 'curl/8' }), /^\{\n {2}"kind": "Status"/);
  assert.equal(await raw(`${CONFIG_MAPS}/a?pretty=false`, { 'user-agent': 'curl/8' }), plain);
});

test('partial objects and tables come in each version, in gets, lists and watches', async () => {
  const server = await startTestServer();
  await filled(server, ['a', 'b']);
  for (const version of ['v1', 'v1beta1']) {
    const as = (kind: string) => ({ accept: `application/json;as=${kind};g=meta.k8s.io;v=${version}` });
    const one = await server.request('GET', `${CONFIG_MAPS}/a`, undefined, as('PartialObjectMetadata'));
    assert.deepEqual(
      [one.body.kind, one.body.apiVersion, one.body.data],
      ['PartialObjectMetadata', `meta.k8s.io/${version}`, undefined],
    );
    const list = await server.request('GET', CONFIG_MAPS, undefined, as('PartialObjectMetadataList'));
    assert.deepEqual([list.body.kind, namesOf(list.body)], ['PartialObjectMetadataList', ['a', 'b']]);
    const table = await server.request('GET', `${CONFIG_MAPS}?includeObject=None`, undefined, as('Table'));
    assert.equal(table.body.apiVersion, `meta.k8s.io/${version}`);
    assert.deepEqual(
      table.body.rows.map((row: { object?: object }) => row.object),
      [undefined, undefined],
    );
    const events = await (
      await startWatch(server, { path: `${CONFIG_MAPS}?watch=1`, headers: as('Table'), events: 2 })
    )();
    const [first, second] = events.map((event) => JSON.parse(event.toString()));
    assert.equal(first.object.columnDefinitions.length > 0, true);
    assert.deepEqual(second.object.columnDefinitions, []);
    assert.equal(second.object.rows[0].object.metadata.name, 'b');
  }
});

test('protobuf: gets, lists and partial objects carry the same as JSON', async () => {
  const server = await startTestServer();
  await filled(server, ['a', 'b']);
  const binary = async (path: string, accept = PROTOBUF) => {
    const answer = await server.transport({ method: 'GET', path, headers: { accept } });
    assert.equal(answer.headers['content-type'], PROTOBUF);
    const chunks = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    return decodeProtobuf(Buffer.concat(chunks)).object;
  };
  const json = (path: string, accept = 'application/json') => server.request('GET', path, undefined, { accept });
  assert.deepEqual(await binary(`${CONFIG_MAPS}/a`), (await json(`${CONFIG_MAPS}/a`)).body);
  const list = (await json(CONFIG_MAPS)).body;
  const items = list.items.map(({ kind: _kind, apiVersion: _version, ...item }: Record<string, unknown>) => item);
  assert.deepEqual(await binary(CONFIG_MAPS), { ...list, items });
  const partial = await binary(`${CONFIG_MAPS}/a`, `${PROTOBUF};as=PartialObjectMetadata;${META}`);
  assert.deepEqual(partial['metadata'], list.items[0].metadata);
  const several = await binary(CONFIG_MAPS, `${PROTOBUF};as=PartialObjectMetadataList;${META}`);
  assert.equal((several['items'] as object[]).length, 2);
  const table = await json(CONFIG_MAPS, `${PROTOBUF};as=Table;${META},application/json;as=Table;${META}`);
  assert.equal(table.body.kind, 'Table');
  assert.equal((await json(CONFIG_MAPS, `${PROTOBUF};as=Table;${META}`)).status, 406);
});

test('protobuf: watches carry length-delimited events, bookmarks too', async () => {
  const clock = new FakeClock();
  const server = await startTestServer({ clock });
  await filled(server, ['a']);
  const path = `${CONFIG_MAPS}?watch=1&allowWatchBookmarks=true`;
  const events = await startWatch(server, { path, headers: { accept: `${PROTOBUF};stream=watch` }, events: 4 });
  await server.request('PATCH', `${CONFIG_MAPS}/a`, { data: { x: '2' } }, MERGE);
  await server.request('DELETE', `${CONFIG_MAPS}/a`);
  clock.advance(60_000);
  const decoded = (await events()).map(readEvent);
  assert.deepEqual(
    decoded.map(({ type }) => type),
    ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'],
  );
  assert.deepEqual(
    decoded.map(({ object }) => (object['data'] as { x?: string } | undefined)?.x),
    ['a', '2', '2', undefined],
  );
  const versions = decoded.map(({ object }) =>
    Number((object['metadata'] as { resourceVersion: string }).resourceVersion),
  );
  assert.deepEqual(versions, [versions[0], versions[0]! + 1, versions[0]! + 2, versions[0]! + 2]);
});

/** `meta/v1 WatchEvent`: type 1, object 2 (raw 1). */
function readEvent(frame: Buffer) {
  const reader = createReader(frame);
  reader.uint32();
  const type = reader.string();
  reader.uint32();
  const raw = createReader(reader.bytes());
  raw.uint32();
  return { type, object: decodeProtobuf(raw.bytes()).object };
}

test('what watchers share is what each alone would see', async () => {
  const server = await startTestServer();
  await filled(server, ['a', 'b']);
  const { resourceVersion } = (await server.request('GET', CONFIG_MAPS)).body.metadata;
  const from = `watch=1&resourceVersion=${resourceVersion}`;
  const asked = [
    { path: `${CONFIG_MAPS}?${from}`, events: 3 },
    { path: `/api/v1/configmaps?${from}`, events: 3 },
    { path: `${CONFIG_MAPS}?${from}&labelSelector=of%3Da`, events: 2 },
    { path: `${CONFIG_MAPS}?${from}&fieldSelector=metadata.name%3Db`, events: 1 },
  ];
  const watches = await Promise.all(asked.map((ask) => startWatch(server, ask)));
  await server.request('PATCH', `${CONFIG_MAPS}/a`, { data: { x: '2' } }, MERGE);
  await server.request('PATCH', `${CONFIG_MAPS}/a`, { metadata: { labels: { of: 'c' } } }, MERGE);
  await server.request('DELETE', `${CONFIG_MAPS}/b`);
  const seen = await Promise.all(
    watches.map(async (events) => (await events()).map((event) => JSON.parse(event.toString()))),
  );
  const summary = seen.map((events) => events.map(({ type, object }) => `${type} ${object.metadata.name}`));
  assert.deepEqual(summary, [
    ['MODIFIED a', 'MODIFIED a', 'DELETED b'],
    ['MODIFIED a', 'MODIFIED a', 'DELETED b'],
    ['MODIFIED a', 'DELETED a'],
    ['DELETED b'],
  ]);
});

test('a collection is deleted by selector', async () => {
  const server = await startTestServer();
  await filled(server, ['a', 'b', 'c']);
  const gone = await server.request('DELETE', `${CONFIG_MAPS}?labelSelector=of+in+(a,b)`);
  assert.deepEqual([gone.body.kind, namesOf(gone.body)], ['ConfigMapList', ['a', 'b']]);
  assert.deepEqual(namesOf((await server.request('GET', CONFIG_MAPS)).body), ['c']);
});
