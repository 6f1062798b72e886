import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startTestServer, type TestServer } from '../../testing/server.ts';
import { cronTabs } from './crontab.fixture.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const CRONTABS = '/apis/stable.example.com/v1/namespaces/default/crontabs';
const MERGE = { 'content-type': 'application/merge-patch+json' };

function cronTab(spec: object = {}, name = 'tab') {
  return {
    apiVersion: 'stable.example.com/v1',
    kind: 'CronTab',
    metadata: { name },
    spec: { cronSpec: '* * * * */5', ...spec },
  };
}

async function served(): Promise<TestServer> {
  const server = await startTestServer();
  const { status, body } = await server.request('POST', DEFINITIONS, cronTabs);
  assert.equal(status, 201, body.message);
  return server;
}

function conditions(definition: { status: { conditions: { type: string; status: string }[] } }) {
  return Object.fromEntries(definition.status.conditions.map(({ type, status }) => [type, status]));
}

describe('a CustomResourceDefinition', () => {
  test('is established by the write that creates it, and served at once', async () => {
    const { request } = await startTestServer();
    assert.equal((await request('GET', CRONTABS)).status, 404);
    const { body } = await request('POST', DEFINITIONS, cronTabs);
    assert.deepEqual(conditions(body), { NamesAccepted: 'True', Established: 'True' });
    assert.deepEqual(body.status.storedVersions, ['v1']);
    assert.deepEqual(body.status.acceptedNames, { ...cronTabs.spec.names, listKind: 'CronTabList' });
    assert.deepEqual(body.metadata.finalizers, ['customresourcecleanup.apiextensions.k8s.io']);
    const list = await request('GET', CRONTABS);
    assert.equal(list.body.kind, 'CronTabList');
    assert.equal(list.body.apiVersion, 'stable.example.com/v1');
  });

  test('is served again after a restart', async () => {
    const { store } = await served();
    const again = await startTestServer({ store });
    assert.equal((await again.request('POST', CRONTABS, cronTab())).status, 201);
  });

  test('waits while another has its names', async () => {
    const { request } = await served();
    const names = { plural: 'tabs', kind: 'Tab', shortNames: ['ct'] };
    const other = { ...cronTabs, metadata: { name: 'tabs.stable.example.com' }, spec: { ...cronTabs.spec, names } };
    const { body } = await request('POST', DEFINITIONS, other);
    assert.deepEqual(conditions(body), { NamesAccepted: 'False', Established: 'False' });
    assert.equal(body.status.conditions[0].message, '"ct" is already in use');
    assert.equal((await request('GET', '/apis/stable.example.com/v1/tabs')).status, 404);
    await request('DELETE', `${DEFINITIONS}/${cronTabs.metadata.name}`);
    const path = `${DEFINITIONS}/${other.metadata.name}`;
    let after = (await request('GET', path)).body;
    while (conditions(after)['Established'] !== 'True') after = (await request('GET', path)).body;
    assert.equal((await request('GET', '/apis/stable.example.com/v1/tabs')).status, 200);
  });

  test('takes its objects with it, and is held by their finalizers', async () => {
    const { request } = await served();
    await request('POST', CRONTABS, cronTab());
    const held = cronTab({}, 'held');
    await request('POST', CRONTABS, { ...held, metadata: { name: 'held', finalizers: ['example.com/hold'] } });
    const path = `${DEFINITIONS}/${cronTabs.metadata.name}`;
    assert.equal((await request('DELETE', path)).status, 200);
    const refused = await request('POST', CRONTABS, cronTab({}, 'new'));
    assert.equal(refused.status, 405);
    assert.match(refused.body.message, /create not allowed while custom resource definition is terminating/);
    while ((await request('GET', `${CRONTABS}/tab`)).status !== 404);
    const ending = (await request('GET', path)).body;
    assert.equal(conditions(ending)['Terminating'], 'True');
    await request('PATCH', `${CRONTABS}/held`, { metadata: { finalizers: null } }, MERGE);
    while ((await request('GET', path)).status !== 404);
    assert.equal((await request('GET', CRONTABS)).status, 404);
  });

  test('ends watches of its objects when it changes', async () => {
    const { request, transport } = await served();
    const watch = await transport({ method: 'GET', path: `${CRONTABS}?watch=true` });
    const spec = { names: { ...cronTabs.spec.names, categories: [] } };
    await request('PATCH', `${DEFINITIONS}/${cronTabs.metadata.name}`, { spec }, MERGE);
    const chunks = [];
    for await (const chunk of watch.body) chunks.push(chunk);
    assert.deepEqual(chunks, []);
  });

  const mistakes: [string, object, RegExp][] = [
    [
      'name',
      { metadata: { name: 'x.y.z' } },
      /metadata.name: Invalid value: "x.y.z": must be spec.names.plural\+"."\+spec.group/,
    ],
    [
      'scope',
      { spec: { ...cronTabs.spec, scope: 'Galaxy' } },
      /spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"/,
    ],
    [
      'versions',
      { spec: { ...cronTabs.spec, versions: [] } },
      /spec.versions: .*must have exactly one version marked as storage version/,
    ],
    [
      'protected group',
      { metadata: { name: 'crontabs.x.k8s.io' }, spec: { ...cronTabs.spec, group: 'x.k8s.io' } },
      /metadata.annotations\[api-approved.kubernetes.io\]: Required value: protected groups must have approval annotation/,
    ],
    [
      'webhook',
      { spec: { ...cronTabs.spec, conversion: { strategy: 'Webhook' } } },
      /spec.conversion.strategy: Unsupported value: "Webhook": supported values: "None"/,
    ],
  ];
  for (const [name, part, expected] of mistakes) {
    test(`with a wrong ${name} is refused`, async () => {
      const { request } = await startTestServer();
      const { status, body } = await request('POST', DEFINITIONS, { ...cronTabs, ...part });
      assert.equal(status, 422);
      assert.match(body.message, expected);
    });
  }

  test('keeps what it was established with', async () => {
    const { request } = await served();
    const path = `${DEFINITIONS}/${cronTabs.metadata.name}`;
    const kind = await request('PATCH', path, { spec: { names: { kind: 'Other' } } }, MERGE);
    assert.match(kind.body.message, /spec.names.kind: Invalid value: "Other": field is immutable/);
    const versions = [{ ...cronTabs.spec.versions[1], storage: true }];
    const dropped = await request('PATCH', path, { spec: { versions } }, MERGE);
    assert.match(
      dropped.body.message,
      /status.storedVersions\[0\]: Invalid value: "v1": missing from spec.versions; v1 was/,
    );
  });
});

describe('a custom resource', () => {
  test('is defaulted and pruned, and its generation counts changes of content', async () => {
    const { request } = await served();
    const { body, headers } = await request('POST', CRONTABS, {
      ...cronTab({ extra: 1, free: { kept: true }, steps: [{ name: 'a', more: 2 }] }),
      status: { replicas: 7 },
    });
    assert.deepEqual(body.spec, {
      cronSpec: '* * * * */5',
      free: { kept: true },
      steps: [{ name: 'a', seconds: 30 }],
      replicas: 1,
      policy: 'Allow',
    });
    assert.equal(
      headers['warning'],
      '299 - "unknown field \\"spec.extra\\"", 299 - "unknown field \\"spec.steps[0].more\\""',
    );
    assert.equal(body.metadata.generation, 1);
    assert.equal(body.status, undefined);
    const patched = await request('PATCH', `${CRONTABS}/tab`, { spec: { replicas: 2 } }, MERGE);
    assert.equal(patched.body.metadata.generation, 2);
    const status = await request(
      'PATCH',
      `${CRONTABS}/tab/status`,
      { status: { replicas: 2 }, spec: { replicas: 9 } },
      MERGE,
    );
    assert.deepEqual([status.body.status, status.body.spec.replicas], [{ replicas: 2 }, 2]);
    assert.equal(status.body.metadata.generation, 2);
  });

  const wrong: [string, object, string][] = [
    [
      'range',
      { replicas: 20 },
      'spec.replicas: Invalid value: 20: spec.replicas in body should be less than or equal to 10',
    ],
    [
      'pattern',
      { cronSpec: '* *' },
      `spec.cronSpec: Invalid value: "* *": spec.cronSpec in body should match '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'`,
    ],
    ['enum', { policy: 'Maybe' }, 'spec.policy: Unsupported value: "Maybe": supported values: "Allow", "Forbid"'],
    [
      'type',
      { replicas: 'two' },
      'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
    ],
    ['list map', { steps: [{ name: 'a' }, { name: 'a' }] }, 'spec.steps[1]: Duplicate value: {"name":"a"}'],
    ['rule', { replicas: 6, image: 'small' }, 'spec: Invalid value: "object": small runs at most 5 times'],
  ];
  for (const [name, spec, expected] of wrong) {
    test(`that breaks a ${name} is refused`, async () => {
      const { request } = await served();
      const { status, body } = await request('POST', CRONTABS, cronTab(spec));
      assert.equal(status, 422);
      assert.ok(body.message.includes(expected), body.message);
      assert.ok(body.message.startsWith('CronTab.stable.example.com "tab" is invalid: '));
    });
  }

  test('is strict when asked, and silent when asked', async () => {
    const { request } = await served();
    const strict = await request('POST', `${CRONTABS}?fieldValidation=Strict`, cronTab({ extra: 1 }));
    assert.equal(strict.status, 400);
    assert.equal(
      strict.body.message,
      'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.extra"',
    );
    const ignoring = await request('POST', `${CRONTABS}?fieldValidation=Ignore`, cronTab({ extra: 1 }));
    assert.equal(ignoring.headers['warning'], undefined);
  });

  test('keeps its transitions, and what was wrong before may stay', async () => {
    const { request } = await served();
    await request('POST', CRONTABS, cronTab({ image: 'a' }));
    const moved = await request('PATCH', `${CRONTABS}/tab`, { spec: { image: 'b' } }, MERGE);
    assert.match(moved.body.message, /spec.image: Invalid value: "string": image is immutable/);
    await request('POST', CRONTABS, cronTab({ replicas: 9 }, 'old'));
    const definition = structuredClone(cronTabs);
    definition.spec.versions[0]!.schema.openAPIV3Schema.properties!.spec.properties.replicas.maximum = 3;
    await request('PATCH', `${DEFINITIONS}/${cronTabs.metadata.name}`, { spec: definition.spec }, MERGE);
    assert.equal((await request('PATCH', `${CRONTABS}/old`, { spec: { port: 'http' } }, MERGE)).status, 200);
    assert.equal((await request('PATCH', `${CRONTABS}/old`, { spec: { replicas: 8 } }, MERGE)).status, 422);
  });

  test('is the same object in every version', async () => {
    const { request } = await served();
    await request('POST', CRONTABS, cronTab({ image: 'a' }));
    const old = await request('GET', CRONTABS.replace('v1', 'v1beta1'));
    assert.equal(old.headers['warning'], '299 - "stable.example.com/v1beta1 CronTab is deprecated"');
    assert.equal(old.body.items[0].apiVersion, 'stable.example.com/v1beta1');
    const patched = await request(
      'PATCH',
      `${CRONTABS.replace('v1', 'v1beta1')}/tab`,
      { spec: { replicas: 4 } },
      MERGE,
    );
    assert.equal(patched.body.apiVersion, 'stable.example.com/v1beta1');
    assert.equal((await request('GET', `${CRONTABS}/tab`)).body.spec.replicas, 4);
  });

  test('is shown in the columns of its definition, scaled and selected', async () => {
    const { request } = await served();
    await request('POST', CRONTABS, cronTab({ image: 'a' }));
    const conditions = [{ type: 'Ready', status: 'True' }];
    await request(
      'PATCH',
      `${CRONTABS}/tab/status`,
      { status: { replicas: 1, labelSelector: 'a=b', conditions } },
      MERGE,
    );
    const table = await request('GET', CRONTABS, undefined, { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' });
    const columns = table.body.columnDefinitions as { name: string; type: string; priority: number }[];
    assert.deepEqual(
      columns.map(({ name, type, priority }) => [name, type, priority]),
      [
        ['Name', 'string', 0],
        ['Spec', 'string', 0],
        ['Replicas', 'integer', 0],
        ['Age', 'date', 0],
        ['Ready', 'string', 1],
      ],
    );
    assert.deepEqual(table.body.rows[0].cells, ['tab', '* * * * */5', 1, '0s', 'True']);
    const scale = await request('PATCH', `${CRONTABS}/tab/scale`, { spec: { replicas: 3 } }, MERGE);
    assert.deepEqual([scale.body.spec, scale.body.status], [{ replicas: 3 }, { replicas: 1, selector: 'a=b' }]);
    const selected = async (value: string) =>
      (await request('GET', `${CRONTABS}?fieldSelector=spec.image=${value}`)).body.items.length;
    assert.deepEqual([await selected('a'), await selected('b')], [1, 0]);
  });

  test('takes no strategic merge patch, and is applied by lists of keys', async () => {
    const { request } = await served();
    await request('POST', CRONTABS, cronTab({ steps: [{ name: 'a' }] }));
    const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
    assert.equal((await request('PATCH', `${CRONTABS}/tab`, {}, strategic)).status, 415);
    const config = { ...cronTab({ steps: [{ name: 'b', seconds: 1 }] }) };
    const headers = { 'content-type': 'application/apply-patch+yaml' };
    const applied = await request('PATCH', `${CRONTABS}/tab?fieldManager=me&force=true`, config, headers);
    assert.deepEqual(applied.body.spec.steps, [
      { name: 'a', seconds: 30 },
      { name: 'b', seconds: 1 },
    ]);
  });
});
