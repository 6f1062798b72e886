import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestServer } from '../../testing/server.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects of every kind
type Json = any;

const DEFAULT = '/api/v1/namespaces/default';

function pod(name: string, resources?: Json, more: Json = {}) {
  return {
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'x', ...(resources && { resources }) }], ...more },
  };
}

async function withQuota(hard: Json, spec: Json = {}) {
  const server = await startTestServer();
  const quota = { metadata: { name: 'q' }, spec: { hard, ...spec } };
  assert.equal((await server.request('POST', `${DEFAULT}/resourcequotas`, quota)).status, 201);
  const create = (object: Json, plural = 'pods') => server.request('POST', `${DEFAULT}/${plural}`, object);
  return { ...server, create };
}

test('a quota of objects: full, and free again after a delete', async () => {
  const { create, request } = await withQuota({ pods: 2, 'count/configmaps': '1' });
  assert.equal((await create(pod('a'))).status, 201);
  assert.equal((await create(pod('b'))).status, 201);
  const { status, body } = await create(pod('c'));
  assert.deepEqual(
    [status, body.message],
    [403, 'pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'],
  );
  await request('DELETE', `${DEFAULT}/pods/a`);
  assert.equal((await create(pod('c'))).status, 201);
  assert.equal((await create({ metadata: { name: 'x' } }, 'configmaps')).status, 201);
  assert.match(
    (await create({ metadata: { name: 'y' } }, 'configmaps')).body.message,
    /exceeded quota: q, requested: count\/configmaps=1, used: count\/configmaps=1, limited: count\/configmaps=1$/,
  );
});

test('writes at the same time do not slip past a quota, and what fails gives its share back', async () => {
  const { create, request } = await withQuota({ pods: '3' });
  const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((number) => create(pod(`p${number}`))));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 201, 201, 403, 403, 403]);
  await request('DELETE', `${DEFAULT}/pods/p1`);
  assert.equal((await create(pod('BAD'))).status, 422);
  assert.equal((await request('POST', `${DEFAULT}/pods?dryRun=All`, pod('dry'))).status, 201);
  assert.equal((await create(pod('last'))).status, 201);
});

test('a quota of CPU and memory: every container must say, and only what is over is named', async () => {
  const { create } = await withQuota({ 'requests.cpu': '1', 'limits.memory': '1Gi', pods: '10' });
  assert.equal(
    (await create(pod('a'))).body.message,
    'pods "a" is forbidden: failed quota: q: must specify limits.memory for: c; requests.cpu for: c',
  );
  assert.equal((await create(pod('a', { requests: { cpu: '700m' }, limits: { memory: '512Mi' } }))).status, 201);
  assert.equal(
    (await create(pod('b', { requests: { cpu: '400m' }, limits: { memory: '600Mi' } }))).body.message,
    'pods "b" is forbidden: exceeded quota: q, requested: limits.memory=600Mi,requests.cpu=400m, used: limits.memory=512Mi,requests.cpu=700m, limited: limits.memory=1Gi,requests.cpu=1',
  );
});

test('a finished pod gives its place back; scopes pick pods', async () => {
  const { create, request } = await withQuota({ pods: '1' }, { scopes: ['BestEffort'] });
  assert.equal((await create(pod('a', { limits: { cpu: '1' } }))).status, 201);
  assert.equal((await create(pod('b'))).status, 201);
  assert.equal((await create(pod('c'))).status, 403);
  const b = (await request('GET', `${DEFAULT}/pods/b`)).body;
  await request('PUT', `${DEFAULT}/pods/b/status`, { ...b, status: { phase: 'Succeeded' } });
  assert.equal((await create(pod('c'))).status, 201);
});

test('a Service that becomes more than the quota has', async () => {
  const { create, request } = await withQuota({ 'services.nodeports': '1', services: '2' });
  const service = { metadata: { name: 's' }, spec: { ports: [{ name: 'a', port: 80 }], selector: { a: 'b' } } };
  const { body } = await create(service, 'services');
  const ports = [...body.spec.ports, { name: 'b', port: 81, protocol: 'TCP' }];
  const wider = await request('PUT', `${DEFAULT}/services/s`, {
    ...body,
    spec: { ...body.spec, type: 'NodePort', ports },
  });
  assert.match(
    wider.body.message,
    /requested: services\.nodeports=2, used: services\.nodeports=0, limited: services\.nodeports=1$/,
  );
  const patched = await request('PUT', `${DEFAULT}/services/s`, { ...body, spec: { ...body.spec, type: 'NodePort' } });
  assert.equal(patched.status, 200, patched.body.message);
});

test('a quota that comes later counts what is there', async () => {
  const { request } = await startTestServer();
  await request('POST', `${DEFAULT}/pods`, pod('a'));
  await request('POST', `${DEFAULT}/resourcequotas`, { metadata: { name: 'q' }, spec: { hard: { pods: '1' } } });
  assert.equal((await request('POST', `${DEFAULT}/pods`, pod('b'))).status, 403);
  await request('PUT', `${DEFAULT}/resourcequotas/q`, { metadata: { name: 'q' }, spec: { hard: { pods: '2' } } });
  assert.equal((await request('POST', `${DEFAULT}/pods`, pod('b'))).status, 201);
  await request('DELETE', `${DEFAULT}/resourcequotas/q`);
  assert.equal((await request('POST', `${DEFAULT}/pods`, pod('c'))).status, 201);
});

async function withLimits(...limits: Json[]) {
  const server = await startTestServer();
  const range = { metadata: { name: 'l' }, spec: { limits } };
  const created = await server.request('POST', `${DEFAULT}/limitranges`, range);
  assert.equal(created.status, 201, created.body.message);
  const create = (object: Json, plural = 'pods') => server.request('POST', `${DEFAULT}/${plural}`, object);
  return { ...server, create, range: created.body };
}

test('a LimitRange gives defaults, and says so', async () => {
  const { create, range } = await withLimits({ type: 'Container', max: { memory: '1Gi' }, default: { cpu: '500m' } });
  assert.deepEqual(range.spec.limits[0], {
    type: 'Container',
    max: { memory: '1Gi' },
    default: { memory: '1Gi', cpu: '500m' },
    defaultRequest: { memory: '1Gi', cpu: '500m' },
  });
  const { body } = await create(pod('a', { requests: { cpu: '100m' } }));
  assert.deepEqual(body.spec.containers[0].resources, {
    requests: { cpu: '100m', memory: '1Gi' },
    limits: { cpu: '500m', memory: '1Gi' },
  });
  assert.equal(
    body.metadata.annotations['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: memory request for container c; cpu, memory limit for container c',
  );
});

const BOUNDS: [string, Json, Json, string][] = [
  ['too much', { max: { cpu: '1' } }, { limits: { cpu: '2' } }, 'maximum cpu usage per Container is 1, but limit is 2'],
  [
    'too little',
    { min: { cpu: '500m' } },
    { requests: { cpu: '100m' } },
    'minimum cpu usage per Container is 500m, but request is 100m',
  ],
  [
    'too wide',
    { maxLimitRequestRatio: { cpu: '2' } },
    { requests: { cpu: '100m' }, limits: { cpu: '1' } },
    'cpu max limit to request ratio per Container is 2, but provided ratio is 10.000000',
  ],
];

for (const [name, limit, resources, why] of BOUNDS) {
  test(`a container that asks for ${name} is refused`, async () => {
    const { create } = await withLimits({ type: 'Container', ...limit });
    const { status, body } = await create(pod('a', resources));
    assert.deepEqual([status, body.message], [403, `pods "a" is forbidden: ${why}`]);
  });
}

test('bounds of whole pods, and of claims', async () => {
  const { create } = await withLimits(
    { type: 'Pod', max: { cpu: '1' } },
    { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } },
  );
  assert.match((await create(pod('a'))).body.message, /maximum cpu usage per Pod is 1\. {2}No limit is specified$/);
  const claim = (storage: string) => ({
    metadata: { name: 'c' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  });
  assert.match(
    (await create(claim('3Gi'), 'persistentvolumeclaims')).body.message,
    /maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi$/,
  );
  assert.equal((await create(claim('1Gi'), 'persistentvolumeclaims')).status, 201);
});

const INVALID: [string, string, Json, RegExp][] = [
  [
    'least above most',
    'limitranges',
    { limits: [{ type: 'Container', min: { cpu: '2' }, max: { cpu: '1' } }] },
    /spec\.limits\[0\]\.min\[cpu\]: Invalid value: "2": min value 2 is greater than max value 1/,
  ],
  [
    'a type twice',
    'limitranges',
    { limits: [{ type: 'Pod' }, { type: 'Pod' }] },
    /spec\.limits\[1\]\.type: Duplicate value: "Pod"/,
  ],
  [
    'less than nothing',
    'resourcequotas',
    { hard: { pods: '-1' } },
    /spec\.hard\[pods\]: Invalid value: "-1": must be greater than or equal to 0/,
  ],
  ['an unknown scope', 'resourcequotas', { hard: {}, scopes: ['Fun'] }, /spec\.scopes\[0\]: Unsupported value: "Fun"/],
];

for (const [name, plural, spec, message] of INVALID) {
  test(`${plural} with ${name} is refused`, async () => {
    const { request } = await startTestServer();
    const { status, body } = await request('POST', `${DEFAULT}/${plural}`, { metadata: { name: 'x' }, spec });
    assert.equal(status, 422, body.message);
    assert.match(body.message, message);
  });
}

test('namespaces that a cluster needs stay', async () => {
  const { request } = await startTestServer();
  const { status, body } = await request('DELETE', '/api/v1/namespaces/default');
  assert.deepEqual(
    [status, body.message],
    [403, 'namespaces "default" is forbidden: this namespace may not be deleted'],
  );
});

test('a claim without a class gets the newest default class', async () => {
  const { request } = await startTestServer();
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  await request('POST', '/apis/storage.k8s.io/v1/storageclasses', {
    metadata: { name: 'fast', annotations },
    provisioner: 'x/y',
  });
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  const create = async (name: string, more: Json = {}) =>
    (await request('POST', `${DEFAULT}/persistentvolumeclaims`, { metadata: { name }, spec: { ...spec, ...more } }))
      .body.spec.storageClassName;
  assert.equal(await create('a'), 'fast');
  assert.equal(await create('b', { storageClassName: '' }), '');
});
