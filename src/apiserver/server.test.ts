import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestServer } from '../testing/server.ts';

const SERVICE = { metadata: { name: 'web' }, spec: { ports: [{ port: 80 }], selector: { app: 'web' } } };
const SERVICES = '/api/v1/namespaces/default/services';
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

test('create defaults, allocates and stores', async () => {
  const { request } = await startTestServer();
  const { status, body } = await request('POST', SERVICES, SERVICE);
  assert.equal(status, 201);
  assert.match(body.spec.clusterIP, /^10\.96\./);
  assert.deepEqual(body.spec.clusterIPs, [body.spec.clusterIP]);
  assert.deepEqual(body.spec.ports, [{ port: 80, protocol: 'TCP', targetPort: 80 }]);
  assert.deepEqual((await request('GET', `${SERVICES}/web`)).body, body);
});

test('create refuses what Kubernetes refuses, in its words', async () => {
  const { request } = await startTestServer();
  await request('POST', SERVICES, SERVICE);
  const rows: [unknown, string, number, RegExp][] = [
    [SERVICE, SERVICES, 409, /^services "web" already exists$/],
    [SERVICE, '/api/v1/namespaces/nowhere/services', 404, /^namespaces "nowhere" not found$/],
    [{ ...SERVICE, metadata: { name: 'B' } }, SERVICES, 422, /metadata\.name: Invalid value: "B": a DNS-1035 label/],
    [{ metadata: { name: 'x' }, spec: {} }, SERVICES, 422, /spec\.ports: Required value/],
    [
      { metadata: { name: 'x' }, spec: { clusterIP: '10.1.1.1', ports: [{ port: 80 }] } },
      SERVICES,
      422,
      /the provided IP \(10\.1\.1\.1\) is not in the valid range\. The range of valid IPs is 10\.96\.0\.0\/16/,
    ],
    [
      { metadata: { name: 'x' }, spec: { ports: [{ port: '80' }] } },
      SERVICES,
      400,
      /cannot unmarshal string into Go struct field/,
    ],
    [
      { metadata: { name: 'x' }, spec: { portz: [] } },
      `${SERVICES}?fieldValidation=Strict`,
      400,
      /unknown field "spec\.portz"/,
    ],
    ['{"metadata":', SERVICES, 400, /json parse error/],
    [{ kind: 'Pod', metadata: { name: 'x' } }, SERVICES, 400, /cannot be handled as a Service/],
    [{ metadata: { name: 'x', resourceVersion: '3' } }, CONFIG_MAPS, 400, /resourceVersion should not be set/],
  ];
  for (const [body, path, code, message] of rows) {
    const answer = await request('POST', path, body);
    assert.equal(answer.status, code, answer.body.message);
    assert.equal(answer.body.kind, 'Status');
    assert.match(answer.body.message, message);
  }
});

test('an address that a refused Service had been given is free again', async () => {
  const { request } = await startTestServer();
  const spec = { clusterIP: '10.96.0.77', ports: [{ port: 80 }] };
  await request('POST', SERVICES, { metadata: { name: 'x' }, spec: { ...spec, ports: [{ port: 0 }] } });
  await request('POST', `${SERVICES}?dryRun=All`, { metadata: { name: 'y' }, spec });
  assert.equal((await request('POST', SERVICES, { metadata: { name: 'z' }, spec })).status, 201);
  const taken = await request('POST', SERVICES, { metadata: { name: 'v' }, spec });
  assert.match(taken.body.message, /provided IP is already allocated/);
  await request('DELETE', `${SERVICES}/z`);
  assert.equal((await request('POST', SERVICES, { metadata: { name: 'v' }, spec })).status, 201);
});

test('update is optimistic', async () => {
  const { request } = await startTestServer();
  const { body: first } = await request('POST', CONFIG_MAPS, { metadata: { name: 'a' }, data: { x: '1' } });
  const second = await request('PUT', `${CONFIG_MAPS}/a`, { ...first, data: { x: '2' } });
  assert.equal(second.status, 200);
  const stale = await request('PUT', `${CONFIG_MAPS}/a`, { ...first, data: { x: '3' } });
  assert.equal(stale.status, 409);
  assert.match(stale.body.message, /^Operation cannot be fulfilled on configmaps "a": the object has been modified/);
  const forced = await request('PUT', `${CONFIG_MAPS}/a`, { metadata: { name: 'a' }, data: { x: '4' } });
  assert.equal(forced.body.metadata.uid, first.metadata.uid);
});

test('a write that changes nothing keeps the resourceVersion', async () => {
  const { request } = await startTestServer();
  const { body } = await request('POST', CONFIG_MAPS, { metadata: { name: 'a' }, data: { x: '1' } });
  const same = await request(
    'PATCH',
    `${CONFIG_MAPS}/a`,
    { data: { x: '1' } },
    { 'content-type': 'application/merge-patch+json' },
  );
  assert.equal(same.body.metadata.resourceVersion, body.metadata.resourceVersion);
});

test('patch: the three kinds', async () => {
  const { request } = await startTestServer();
  await request('POST', SERVICES, SERVICE);
  const patch = async (type: string, body: unknown) =>
    (await request('PATCH', `${SERVICES}/web`, body, { 'content-type': `application/${type}+json` })).body;
  const strategic = await patch('strategic-merge-patch', { spec: { ports: [{ port: 80, name: 'http' }] } });
  assert.deepEqual(strategic.spec.ports, [{ port: 80, name: 'http', protocol: 'TCP', targetPort: 80 }]);
  const json = await patch('json-patch', [{ op: 'replace', path: '/spec/ports/0/port', value: 8080 }]);
  assert.equal(json.spec.ports[0].port, 8080);
  const merge = await patch('merge-patch', { metadata: { labels: { a: 'b' } } });
  assert.deepEqual(merge.metadata.labels, { a: 'b' });
  assert.equal((await patch('json-patch', [{ op: 'remove', path: '/spec/nothing' }])).reason, 'Invalid');
  assert.equal((await patch('apply-patch', {})).reason, 'UnsupportedMediaType');
});

test('status and main change their own parts only', async () => {
  const { request } = await startTestServer();
  const { body } = await request('POST', SERVICES, SERVICE);
  const status = { loadBalancer: { ingress: [{ ip: '10.9.9.9' }] } };
  const viaMain = await request('PUT', `${SERVICES}/web`, { ...body, status });
  assert.deepEqual(viaMain.body.status, { loadBalancer: {} });
  const viaStatus = await request('PUT', `${SERVICES}/web/status`, {
    ...body,
    metadata: { name: 'web' },
    spec: {},
    status,
  });
  assert.deepEqual(viaStatus.body.status, status);
  assert.deepEqual(viaStatus.body.spec, body.spec);
});

test('list pages are one consistent snapshot', async () => {
  const { request } = await startTestServer();
  for (const name of ['a', 'b', 'c']) await request('POST', CONFIG_MAPS, { metadata: { name } });
  const first = (await request('GET', `${CONFIG_MAPS}?limit=2`)).body;
  assert.deepEqual([first.items.length, first.metadata.remainingItemCount], [2, 1]);
  await request('DELETE', `${CONFIG_MAPS}/c`);
  const rest = (await request('GET', `${CONFIG_MAPS}?limit=2&continue=${first.metadata.continue}`)).body;
  assert.deepEqual(
    rest.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ['c'],
  );
  assert.equal(rest.metadata.resourceVersion, first.metadata.resourceVersion);
});

test('selectors choose by labels and fields', async () => {
  const { request } = await startTestServer();
  for (const [name, app] of [
    ['a', 'x'],
    ['b', 'y'],
    ['c', 'x'],
  ] as const) {
    await request('POST', CONFIG_MAPS, { metadata: { name, labels: { app } } });
  }
  const names = async (query: string) =>
    (await request('GET', `${CONFIG_MAPS}?${query}`)).body.items.map(
      (item: { metadata: { name: string } }) => item.metadata.name,
    );
  assert.deepEqual(await names('labelSelector=app%3Dx'), ['a', 'c']);
  assert.deepEqual(await names('labelSelector=app+in+(y),app'), ['b']);
  assert.deepEqual(await names('labelSelector=app!%3Dx'), ['b']);
  assert.deepEqual(await names('fieldSelector=metadata.name%3Dc'), ['c']);
  const bad = await request('GET', `${CONFIG_MAPS}?fieldSelector=data.x%3Dc`);
  assert.match(bad.body.message, /"data\.x" is not a known field selector/);
});

test('watch resumes, follows selectors and ends with its timeout', async () => {
  const { request, transport } = await startTestServer();
  const { body: list } = await request('GET', CONFIG_MAPS);
  await request('POST', CONFIG_MAPS, { metadata: { name: 'a', labels: { app: 'x' } } });
  const abort = new AbortController();
  const path = `${CONFIG_MAPS}?watch=true&labelSelector=app%3Dx&resourceVersion=${list.metadata.resourceVersion}`;
  const answer = await transport({ method: 'GET', path, signal: abort.signal });
  await request(
    'PATCH',
    `${CONFIG_MAPS}/a`,
    { metadata: { labels: { app: 'y' } } },
    { 'content-type': 'application/merge-patch+json' },
  );
  await request('POST', CONFIG_MAPS, { metadata: { name: 'b', labels: { app: 'x' } } });
  let text = '';
  for await (const chunk of answer.body) {
    text += Buffer.from(chunk).toString();
    if (text.split('\n').length > 3) abort.abort();
  }
  const events = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    events.map(({ type, object }) => [type, object.metadata.name]),
    [
      ['ADDED', 'a'],
      ['DELETED', 'a'],
      ['ADDED', 'b'],
    ],
  );
});

test('what is older than the history is gone, for watches and for pages', async () => {
  const { request } = await startTestServer({ historyLimit: 4 });
  for (const name of ['a', 'b', 'c']) await request('POST', CONFIG_MAPS, { metadata: { name } });
  const { metadata } = (await request('GET', `${CONFIG_MAPS}?limit=1`)).body;
  for (let i = 0; i < 20; i++) await request('POST', CONFIG_MAPS, { metadata: { name: `x${i}` } });
  const watch = await request('GET', `${CONFIG_MAPS}?watch=true&resourceVersion=${metadata.resourceVersion}`);
  assert.deepEqual([watch.status, watch.body.reason], [410, 'Expired']);
  const page = await request('GET', `${CONFIG_MAPS}?limit=1&continue=${metadata.continue}`);
  assert.deepEqual([page.status, page.body.reason], [410, 'Expired']);
});

test('a watch that asks for the initial events ends them with a bookmark', async () => {
  const { request, transport } = await startTestServer();
  await request('POST', CONFIG_MAPS, { metadata: { name: 'a' } });
  const abort = new AbortController();
  const query = 'watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan';
  const answer = await transport({ method: 'GET', path: `${CONFIG_MAPS}?${query}`, signal: abort.signal });
  let text = '';
  for await (const chunk of answer.body) {
    text += Buffer.from(chunk).toString();
    if (text.includes('BOOKMARK')) abort.abort();
  }
  const [added, bookmark] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual([added.type, added.object.metadata.name], ['ADDED', 'a']);
  assert.equal(bookmark.object.metadata.annotations['k8s.io/initial-events-end'], 'true');
  assert.equal(bookmark.object.metadata.resourceVersion, added.object.metadata.resourceVersion);
});

test('a pod on a node waits for its grace period, and the agent ends it', async () => {
  const { request } = await startTestServer();
  const pods = '/api/v1/namespaces/default/pods';
  await request('POST', pods, { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } });
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { kind: 'Node', name: 'n' } };
  assert.equal((await request('POST', `${pods}/p/binding`, binding)).status, 201);
  assert.equal((await request('POST', `${pods}/p/binding`, binding)).status, 409);
  const marked = await request('DELETE', `${pods}/p`);
  assert.equal(marked.body.metadata.deletionGracePeriodSeconds, 30);
  assert.equal((await request('GET', `${pods}/p`)).status, 200);
  await request('DELETE', `${pods}/p`, { gracePeriodSeconds: 0 });
  assert.equal((await request('GET', `${pods}/p`)).status, 404);
});

test('finalizers hold an object until they are gone', async () => {
  const { request } = await startTestServer();
  await request('POST', CONFIG_MAPS, { metadata: { name: 'a', finalizers: ['example.com/x'] } });
  const marked = await request('DELETE', `${CONFIG_MAPS}/a`);
  assert.ok(marked.body.metadata.deletionTimestamp);
  await request(
    'PATCH',
    `${CONFIG_MAPS}/a`,
    { metadata: { finalizers: null } },
    { 'content-type': 'application/merge-patch+json' },
  );
  assert.equal((await request('GET', `${CONFIG_MAPS}/a`)).status, 404);
});

test('scale reads and writes replicas', async () => {
  const { request } = await startTestServer();
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  await request('POST', deployments, {
    metadata: { name: 'd' },
    spec: { selector: { matchLabels: { a: 'b' } }, template },
  });
  const scale = (await request('GET', `${deployments}/d/scale`)).body;
  assert.deepEqual([scale.spec.replicas, scale.status.selector], [1, 'a=b']);
  await request('PUT', `${deployments}/d/scale`, { ...scale, spec: { replicas: 3 } });
  const { body } = await request('GET', `${deployments}/d`);
  assert.deepEqual([body.spec.replicas, body.metadata.generation], [3, 2]);
});

test('tables carry the columns that kubectl shows', async () => {
  const { request } = await startTestServer();
  await request('POST', SERVICES, { ...SERVICE, spec: { ...SERVICE.spec, clusterIP: '10.96.0.50' } });
  const { body } = await request('GET', SERVICES, undefined, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  assert.deepEqual(
    body.columnDefinitions.map((column: { name: string }) => column.name),
    ['Name', 'Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age', 'Selector'],
  );
  assert.deepEqual(body.rows[0].cells, ['web', 'ClusterIP', '10.96.0.50', '<none>', '80/TCP', '0s', 'app=web']);
});

test('hostile bodies never become a server error', async () => {
  const { request } = await startTestServer();
  const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
  const bodies = [
    '',
    'null',
    '[]',
    '{',
    '"x"',
    '{"metadata":null}',
    '{"__proto__":{"x":1},"metadata":{"name":"ok"}}',
    deep,
    '\u0000',
  ];
  for (const body of bodies) {
    const { status } = await request('POST', CONFIG_MAPS, body);
    assert.ok(status < 500, `${body.slice(0, 40)}: ${status}`);
  }
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
});
