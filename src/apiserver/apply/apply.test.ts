import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestServer, type TestAnswer, type TestServer } from '../../testing/server.ts';

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const SERVICES = '/api/v1/namespaces/default/services';
const WIDGET_LABELS = { app: 'web' };

const deployment = (spec: object, metadata: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', ...metadata },
  spec,
});
const template = (containers: object[]) => ({ metadata: { labels: WIDGET_LABELS }, spec: { containers } });
const WEB = deployment({
  replicas: 2,
  selector: { matchLabels: WIDGET_LABELS },
  template: template([{ name: 'web', image: 'nginx:1' }]),
});
const config = (data: object, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', ...metadata },
  data,
});

function apply(
  server: TestServer,
  path: string,
  body: object,
  by: { manager: string; force?: boolean; query?: string },
) {
  const query = `fieldManager=${by.manager}${by.force ? '&force=true' : ''}${by.query ?? ''}`;
  return server.request('PATCH', `${path}?${query}`, body, { 'content-type': 'application/apply-patch+yaml' });
}

interface Owner {
  manager: string;
  operation: string;
  subresource?: string;
  fieldsV1: object;
}

function owners({ body }: TestAnswer): Record<string, object> {
  const entries = (body.metadata.managedFields ?? []) as Owner[];
  return Object.fromEntries(
    entries.map(({ manager, operation, subresource, fieldsV1 }) => [
      [manager, operation, subresource].filter(Boolean).join('/'),
      fieldsV1,
    ]),
  );
}

test('a create is owned field by field, with its defaults', async () => {
  const { request } = await startTestServer();
  const created = await request('POST', `${DEPLOYMENTS}?fieldManager=kubectl-create`, WEB);
  const { 'kubectl-create/Update': owned } = owners(created) as Record<string, Record<string, never>>;
  assert.deepEqual(owned!['f:spec'], {
    'f:progressDeadlineSeconds': {},
    'f:replicas': {},
    'f:revisionHistoryLimit': {},
    'f:selector': {},
    'f:strategy': { 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {}, 'f:maxUnavailable': {} }, 'f:type': {} },
    'f:template': {
      'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
      'f:spec': {
        'f:containers': {
          'k:{"name":"web"}': {
            '.': {},
            'f:image': {},
            'f:imagePullPolicy': {},
            'f:name': {},
            'f:resources': {},
            'f:terminationMessagePath': {},
            'f:terminationMessagePolicy': {},
          },
        },
        'f:dnsPolicy': {},
        'f:restartPolicy': {},
        'f:schedulerName': {},
        'f:terminationGracePeriodSeconds': {},
        ...pick(owned!['f:spec'], 'f:securityContext'),
      },
    },
  });
  const [entry] = created.body.metadata.managedFields;
  assert.deepEqual(
    { ...entry, fieldsV1: undefined, time: undefined },
    {
      manager: 'kubectl-create',
      operation: 'Update',
      apiVersion: 'apps/v1',
      fieldsType: 'FieldsV1',
      fieldsV1: undefined,
      time: undefined,
    },
  );
  assert.equal(entry.time, created.body.metadata.creationTimestamp);
});

function pick(spec: unknown, field: string): object {
  const inner = (spec as never)['f:template']['f:spec'] as Record<string, object>;
  return inner[field] ? { [field]: inner[field] } : {};
}

test('what the server allocates is owned by nobody; ports are told apart by port and protocol', async () => {
  const { request } = await startTestServer();
  const spec = { selector: WIDGET_LABELS, ports: [{ port: 80 }, { port: 53, protocol: 'UDP', name: 'dns' }] };
  spec.ports[0] = { port: 80, name: 'http' } as never;
  const created = await request('POST', SERVICES, { metadata: { name: 'web' }, spec }, { 'user-agent': 'curl/7.88' });
  const owned = owners(created)['curl/Update'] as Record<string, Record<string, object>>;
  assert.ok(created.body.spec.clusterIP);
  assert.equal(owned['f:spec']!['f:clusterIP'], undefined);
  assert.deepEqual(owned['f:spec']!['f:selector'], {});
  assert.deepEqual(Object.keys(owned['f:spec']!['f:ports']!), [
    '.',
    'k:{"port":53,"protocol":"UDP"}',
    'k:{"port":80,"protocol":"TCP"}',
  ]);
});

test('apply creates, is idempotent, and owns only what it says', async () => {
  const server = await startTestServer();
  const first = await apply(server, `${DEPLOYMENTS}/web`, WEB, { manager: 'me' });
  assert.equal(first.status, 201);
  assert.deepEqual(owners(first)['me/Apply'], {
    'f:spec': {
      'f:replicas': {},
      'f:selector': {},
      'f:template': {
        'f:metadata': { 'f:labels': { 'f:app': {} } },
        'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:image': {}, 'f:name': {} } } },
      },
    },
  });
  assert.equal(first.body.spec.revisionHistoryLimit, 10);
  const second = await apply(server, `${DEPLOYMENTS}/web`, WEB, { manager: 'me' });
  assert.equal(second.status, 200);
  assert.deepEqual(second.body, first.body);
});

test('a field that is applied no longer is removed, unless somebody else owns it', async () => {
  const server = await startTestServer();
  const at = `${CONFIG_MAPS}/a`;
  await apply(server, at, config({ x: '1', y: '1', z: '1' }), { manager: 'me' });
  await apply(server, at, config({ y: '1' }), { manager: 'other' });
  await server.request('PATCH', `${at}?fieldManager=hand`, { data: { w: '1' } }, MERGE);
  const after = await apply(server, at, config({ x: '1' }), { manager: 'me' });
  assert.deepEqual(after.body.data, { w: '1', x: '1', y: '1' });
  assert.deepEqual(owners(after), {
    'me/Apply': { 'f:data': { 'f:x': {} } },
    'other/Apply': { 'f:data': { 'f:y': {} } },
    'hand/Update': { 'f:data': { 'f:w': {} } },
  });
  const gone = await apply(server, at, config({}), { manager: 'me' });
  assert.deepEqual(gone.body.data, { w: '1', y: '1' });
  const { data: _data, ...bare } = config({});
  assert.deepEqual((await apply(server, at, bare, { manager: 'other' })).body.data, { w: '1' });
});

const MERGE = { 'content-type': 'application/merge-patch+json' };

test('list items come and go with their manager', async () => {
  const server = await startTestServer();
  const at = `${DEPLOYMENTS}/web`;
  const sidecar = { name: 'log', image: 'busybox' };
  const both = template([{ name: 'web', image: 'nginx:1', env: [{ name: 'A', value: '1' }] }, sidecar]);
  await apply(server, at, deployment({ ...WEB.spec, template: both }), { manager: 'me' });
  const injected = deployment({ template: { spec: { containers: [{ name: 'mesh', image: 'envoy' }] } } });
  const mixed = await apply(server, at, injected, { manager: 'mesh' });
  assert.deepEqual(namesOf(mixed), ['web', 'log', 'mesh']);
  const less = await apply(server, at, WEB, { manager: 'me' });
  assert.deepEqual(namesOf(less), ['web', 'mesh']);
  assert.equal(less.body.spec.template.spec.containers[0].env, undefined);
});

function namesOf({ body }: TestAnswer): string[] {
  return body.spec.template.spec.containers.map(({ name }: { name: string }) => name);
}

test('a conflict names each field and its owner, and force takes the field', async () => {
  const server = await startTestServer();
  const at = `${DEPLOYMENTS}/web`;
  await server.request('POST', `${DEPLOYMENTS}?fieldManager=kubectl-create`, WEB);
  const one = await apply(server, at, deployment({ replicas: 5 }), { manager: 'me' });
  assert.equal(one.status, 409);
  assert.equal(
    one.body.message,
    'Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1: .spec.replicas',
  );
  assert.deepEqual(one.body.details.causes, [
    {
      reason: 'FieldManagerConflict',
      message: 'conflict with "kubectl-create" using apps/v1',
      field: '.spec.replicas',
    },
  ]);
  const wanted = deployment({ replicas: 5, template: template([{ name: 'web', image: 'nginx:2' }]) });
  const two = await apply(server, at, wanted, { manager: 'me' });
  assert.equal(
    two.body.message,
    'Apply failed with 2 conflicts: conflicts with "kubectl-create" using apps/v1:\n- .spec.replicas\n- .spec.template.spec.containers[name="web"].image',
  );
  const forced = await apply(server, at, wanted, { manager: 'me', force: true });
  assert.equal(forced.status, 200);
  assert.equal(forced.body.spec.replicas, 5);
  const left = owners(forced)['kubectl-create/Update'] as Record<string, Record<string, object>>;
  assert.equal(left['f:spec']!['f:replicas'], undefined);
  assert.deepEqual(left['f:spec']!['f:selector'], {});
});

test('the same value is owned together; the one who changes it alone must force', async () => {
  const server = await startTestServer();
  const at = `${CONFIG_MAPS}/a`;
  await apply(server, at, config({ x: '1' }), { manager: 'me' });
  const shared = await apply(server, at, config({ x: '1' }), { manager: 'you' });
  assert.deepEqual(Object.keys(owners(shared)), ['me/Apply', 'you/Apply']);
  const refused = await apply(server, at, config({ x: '2' }), { manager: 'you' });
  assert.equal(refused.body.message, 'Apply failed with 1 conflict: conflict with "me": .data.x');
  const updated = await server.request('PATCH', `${at}?fieldManager=hand`, { data: { x: '3' } }, MERGE);
  assert.deepEqual(owners(updated), { 'hand/Update': { 'f:data': { 'f:x': {} } } });
});

test('status is owned through its subresource', async () => {
  const server = await startTestServer();
  const at = `${DEPLOYMENTS}/web`;
  await apply(server, at, { ...WEB, status: { replicas: 9 } }, { manager: 'me' });
  const status = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, status: { replicas: 2 } };
  const applied = await apply(server, `${at}/status`, status, { manager: 'loop' });
  assert.equal(applied.status, 200);
  assert.equal(applied.body.status.replicas, 2);
  assert.deepEqual(owners(applied)['loop/Apply/status'], { 'f:status': { 'f:replicas': {} } });
  assert.equal((owners(applied)['me/Apply'] as Record<string, object>)['f:status'], undefined);
  const missing = await apply(
    server,
    `${DEPLOYMENTS}/none/status`,
    { ...status, metadata: { name: 'none' } },
    { manager: 'loop' },
  );
  assert.equal(missing.status, 404);
});

test('apply says what is wrong with a request', async () => {
  const server = await startTestServer();
  const at = `${DEPLOYMENTS}/web`;
  const twice = template([
    { name: 'web', image: 'a' },
    { name: 'web', image: 'b' },
  ]);
  const rows: [object | string, string, number, RegExp][] = [
    [
      WEB,
      '',
      422,
      /^PatchOptions\.meta\.k8s\.io "" is invalid: fieldManager: Required value: is required for apply patch$/,
    ],
    [WEB, 'fieldManager=a%07', 422, /fieldManager: Invalid value: .*should only contain printable characters/],
    [WEB, `fieldManager=${'a'.repeat(129)}`, 422, /fieldManager: Too long: may not be more than 128 bytes/],
    [{ ...WEB, kind: 'Pod' }, 'fieldManager=a', 400, /^incorrect version specified in apply patch/],
    [
      deployment({ replicaz: 1 }),
      'fieldManager=a',
      400,
      /default\/web|web; apps\/v1, Kind=Deployment\): \.spec\.replicaz: field not declared in schema/,
    ],
    [
      deployment({ ...WEB.spec, template: twice }),
      'fieldManager=a',
      400,
      /\.spec\.template\.spec\.containers: duplicate entries for key \[name="web"\]/,
    ],
    [deployment({ ...WEB.spec, template: template([{ image: 'a' }]) }), 'fieldManager=a', 400, /omits key field/],
    [deployment({ ...WEB.spec, replicas: 'two' }), 'fieldManager=a', 400, /cannot unmarshal string/],
    [deployment(WEB.spec, { managedFields: [] }), 'fieldManager=a', 400, /metadata\.managedFields must be nil/],
    [deployment(WEB.spec, { uid: 'x' }), 'fieldManager=a', 409, /uid mismatch/],
    [deployment(WEB.spec, { name: 'other' }), 'fieldManager=a', 400, /does not match the name on the URL/],
    ['- a', 'fieldManager=a', 400, /expected an object/],
    ['a: [', 'fieldManager=a', 400, /./],
  ];
  for (const [body, query, code, message] of rows) {
    const headers = { 'content-type': 'application/apply-patch+yaml' };
    const answer = await server.request('PATCH', `${at}?${query}`, body, headers);
    assert.equal(answer.status, code, JSON.stringify(answer.body));
    assert.match(answer.body.message, message);
  }
  const forced = await server.request('PATCH', `${at}?force=true`, {}, MERGE);
  assert.match(forced.body.message, /force: Forbidden: may not be specified for non-apply patch/);
});

test('dry run answers what would be, and keeps nothing', async () => {
  const server = await startTestServer();
  const dry = await apply(server, `${CONFIG_MAPS}/a`, config({ x: '1' }), { manager: 'me', query: '&dryRun=All' });
  assert.equal(dry.status, 201);
  assert.equal((await server.request('GET', `${CONFIG_MAPS}/a`)).status, 404);
});

test('kubectl takes over what kubectl applied from the client', async () => {
  const server = await startTestServer();
  const LAST = 'kubectl.kubernetes.io/last-applied-configuration';
  const annotations = { [LAST]: JSON.stringify(config({ x: '1', y: '1' })) };
  const body = config({ x: '1', y: '1' }, { annotations });
  await server.request('POST', `${CONFIG_MAPS}?fieldManager=kubectl-client-side-apply`, body);
  await server.request('PATCH', `${CONFIG_MAPS}/a?fieldManager=hand`, { data: { y: '5' } }, MERGE);
  const refused = await apply(server, `${CONFIG_MAPS}/a`, config({ x: '2', y: '2' }), { manager: 'kubectl' });
  assert.equal(refused.body.message, 'Apply failed with 1 conflict: conflict with "hand" using v1: .data.y');
  const taken = await apply(server, `${CONFIG_MAPS}/a`, config({ x: '2' }), { manager: 'kubectl' });
  assert.equal(taken.status, 200, taken.body.message);
  assert.deepEqual(taken.body.data, { x: '2', y: '5' });
  assert.deepEqual(JSON.parse(taken.body.metadata.annotations[LAST]).data, { x: '2' });
  const other = await apply(server, `${CONFIG_MAPS}/a`, config({ x: '3' }), { manager: 'flux' });
  assert.equal(other.status, 409);
});

test('quantities are compared by what they mean', async () => {
  const server = await startTestServer();
  const limited = (cpu: string) => {
    const containers = [{ name: 'web', image: 'nginx:1', resources: { limits: { cpu } } }];
    return deployment({ ...WEB.spec, template: template(containers) });
  };
  await server.request('POST', `${DEPLOYMENTS}?fieldManager=you`, limited('1000m'));
  const shared = await apply(server, `${DEPLOYMENTS}/web`, limited('1.0'), { manager: 'me' });
  assert.equal(shared.status, 200, shared.body.message);
  assert.equal(shared.body.spec.template.spec.containers[0].resources.limits.cpu, '1');
});

test('clients may rewrite ownership, or have it forgotten', async () => {
  const server = await startTestServer();
  const at = `${CONFIG_MAPS}/a`;
  await server.request('POST', `${CONFIG_MAPS}?fieldManager=kubectl-client-side-apply`, config({ x: '1' }));
  const { body } = await server.request('GET', at);
  const [entry] = body.metadata.managedFields;
  const json = { 'content-type': 'application/json-patch+json' };
  const patch = (managedFields: object[]) => [
    { op: 'replace', path: '/metadata/managedFields', value: managedFields },
    { op: 'replace', path: '/metadata/resourceVersion', value: body.metadata.resourceVersion },
  ];
  const migrated = { ...entry, manager: 'kubectl', operation: 'Apply' };
  const rewritten = await server.request('PATCH', `${at}?fieldManager=kubectl-last-applied`, patch([migrated]), json);
  assert.deepEqual(Object.keys(owners(rewritten)), ['kubectl/Apply']);
  const removed = await apply(server, at, config({}), { manager: 'kubectl' });
  assert.equal(removed.body.data?.x, undefined);
  const reset = await server.request('PATCH', at, { metadata: { managedFields: [{}] } }, MERGE);
  assert.equal(reset.body.metadata.managedFields, undefined);
  const quiet = await server.request('PATCH', at, { data: { z: '1' } }, MERGE);
  assert.equal(quiet.body.metadata.managedFields, undefined);
  const applied = await apply(server, at, config({ q: '1' }), { manager: 'me' });
  assert.deepEqual(Object.keys(owners(applied)), ['me/Apply', 'before-first-apply/Update']);
});

test('an update that changes nothing owns nothing and writes nothing', async () => {
  const { request } = await startTestServer();
  const created = await request('POST', `${CONFIG_MAPS}?fieldManager=a`, config({ x: '1' }));
  const { managedFields: _hidden, ...metadata } = created.body.metadata;
  const same = await request('PUT', `${CONFIG_MAPS}/a?fieldManager=b`, { ...created.body, metadata });
  assert.deepEqual(same.body, created.body);
});

test('the oldest of many managers are folded together', async () => {
  const { request } = await startTestServer();
  await request('POST', `${CONFIG_MAPS}?fieldManager=m00`, config({ x: '1' }));
  let last: TestAnswer | undefined;
  for (let i = 1; i <= 14; i++) {
    const key = `k${String(i).padStart(2, '0')}`;
    last = await request('PATCH', `${CONFIG_MAPS}/a?fieldManager=m${key}`, { data: { [key]: '1' } }, MERGE);
  }
  const all = owners(last!);
  assert.equal(Object.keys(all).length, 10);
  assert.ok('f:x' in (all['ancient-changes/Update'] as Record<string, object>)['f:data']!);
});

test('apply through another version of the kind', async () => {
  const server = await startTestServer();
  const path = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/web';
  const hpa = (spec: object) => ({
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web' },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, ...spec },
  });
  const created = await apply(server, path, hpa({ maxReplicas: 3, targetCPUUtilizationPercentage: 50 }), {
    manager: 'me',
  });
  assert.equal(created.status, 201, created.body.message);
  assert.equal(created.body.spec.targetCPUUtilizationPercentage, 50);
  const changed = await apply(server, path, hpa({ maxReplicas: 4, targetCPUUtilizationPercentage: 50 }), {
    manager: 'me',
  });
  assert.equal(changed.body.spec.maxReplicas, 4);
  assert.equal((await server.request('GET', path.replace('/v1/', '/v2/'))).body.spec.metrics.length, 1);
});
