import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from '../../api/registry.ts';
import { silentLogger } from '../../lib/log.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { FakeClock } from '../../testing/clock.ts';
import { createAdmissionPlugins } from '../admission-plugins.ts';
import { Catalog } from '../catalog.ts';
import { inProcessTransport } from '../in-process.ts';
import { createApiServer } from '../server.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects of every kind
type Json = any;

const GROUP = '/apis/admissionregistration.k8s.io/v1';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const RULES = [
  { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['deployments'] },
];

async function startServer() {
  const base = {
    store: createMemoryStore(),
    catalog: new Catalog(registry),
    clock: new FakeClock(),
    random: () => 0.5,
    log: silentLogger,
  };
  const server = createApiServer({ ...base, plugins: createAdmissionPlugins(base) });
  const transport = inProcessTransport(server, { username: 'jane', groups: ['dev'] });
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
  const create = async (path: string, body: Json) => {
    const answer = await request('POST', path, body);
    assert.equal(answer.status, 201, answer.body.message);
  };
  await create('/api/v1/namespaces', { metadata: { name: 'default', labels: { environment: 'test' } } });
  const bind = async (spec: Json, binding: Json = { validationActions: ['Deny'] }) => {
    const policy = { metadata: { name: 'demo' }, spec: { matchConstraints: { resourceRules: RULES }, ...spec } };
    await create(`${GROUP}/validatingadmissionpolicies`, policy);
    const body = { metadata: { name: 'demo-binding' }, spec: { policyName: 'demo', ...binding } };
    await create(`${GROUP}/validatingadmissionpolicybindings`, body);
  };
  const deploy = (replicas: number, name = 'web') => request('POST', DEPLOYMENTS, deployment(replicas, name));
  return { request, create, bind, deploy };
}

function deployment(replicas: number, name: string) {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'nginx' }] } };
  return { metadata: { name, labels }, spec: { replicas, selector: { matchLabels: labels }, template } };
}

const WHERE = "ValidatingAdmissionPolicy 'demo' with binding 'demo-binding'";
const AT_MOST_5 = { expression: 'object.spec.replicas <= 5' };

test('a policy refuses what its expression is false for', async () => {
  const { bind, deploy, request } = await startServer();
  await bind({ validations: [AT_MOST_5] });
  assert.equal((await deploy(5)).status, 201);
  const { status, body } = await deploy(6, 'big');
  const message = `${WHERE} denied request: failed expression: object.spec.replicas <= 5`;
  assert.deepEqual(
    [status, body.reason, body.message, body.details.causes],
    [422, 'Invalid', `deployments.apps "big" is forbidden: ${message}`, [{ message }]],
  );
  assert.equal((await request('PUT', `${DEPLOYMENTS}/web`, deployment(7, 'web'))).status, 422);
  assert.equal((await request('GET', `${DEPLOYMENTS}/web`)).body.spec.replicas, 5);
});

test('messages, reasons, variables and everything that an expression may see', async () => {
  const { bind, deploy } = await startServer();
  await bind({
    variables: [
      { name: 'most', expression: "namespaceObject.metadata.labels.environment == 'test' ? 2 : 10" },
      { name: 'twice', expression: 'variables.most * 2' },
    ],
    validations: [
      {
        expression: "object.spec.replicas <= variables.twice || request.userInfo.username != 'jane'",
        messageExpression: "object.metadata.name + ' has more than ' + string(variables.twice)",
        message: 'too many',
        reason: 'Forbidden',
      },
      { expression: 'oldObject == null && request.operation == "CREATE"' },
    ],
  });
  assert.equal((await deploy(4)).status, 201);
  const { status, body } = await deploy(5, 'big');
  assert.deepEqual([status, body.reason], [403, 'Forbidden']);
  assert.equal(body.message, `deployments.apps "big" is forbidden: ${WHERE} denied request: big has more than 4`);
});

test('a warning lets the write through; a binding may narrow by labels', async () => {
  const { bind, deploy } = await startServer();
  const matchResources = { objectSelector: { matchLabels: { app: 'watched' } } };
  await bind(
    { validations: [{ ...AT_MOST_5, message: 'too many' }] },
    { validationActions: ['Warn', 'Audit'], matchResources },
  );
  assert.equal((await deploy(6)).headers['warning'], undefined);
  const { status, headers } = await deploy(6, 'watched');
  assert.deepEqual([status, headers['warning']], [201, `299 - "Validation failed for ${WHERE}: too many"`]);
});

test('params come from the cluster, and their absence counts as the binding says', async () => {
  const { bind, deploy, create } = await startServer();
  const paramRef = { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' };
  await bind(
    {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      validations: [{ expression: 'object.spec.replicas <= int(params.data.max)' }],
    },
    { validationActions: ['Deny'], paramRef },
  );
  assert.match(
    (await deploy(1)).body.message,
    /no params found for policy binding with `Deny` parameterNotFoundAction$/,
  );
  await create('/api/v1/namespaces/default/configmaps', { metadata: { name: 'limits' }, data: { max: '3' } });
  assert.equal((await deploy(3)).status, 201);
  assert.equal((await deploy(4, 'big')).status, 422);
});

test('an expression that fails refuses, unless the policy ignores failures', async () => {
  const broken = { expression: 'object.spec.missing > 1' };
  const strict = await startServer();
  await strict.bind({ validations: [broken] });
  assert.match(
    (await strict.deploy(1)).body.message,
    /expression 'object\.spec\.missing > 1' resulted in error: field not found: missing$/,
  );
  const lenient = await startServer();
  await lenient.bind({ failurePolicy: 'Ignore', validations: [broken] });
  assert.equal((await lenient.deploy(1)).status, 201);
  const conditional = await startServer();
  const matchConditions = [{ name: 'others', expression: "request.userInfo.username != 'jane'" }];
  await conditional.bind({ matchConditions, validations: [{ expression: 'false' }] });
  assert.equal((await conditional.deploy(1)).status, 201);
});

const INVALID: [string, Json, RegExp][] = [
  [
    'no expression of the language',
    { validations: [{ expression: 'object.' }] },
    /spec\.validations\[0\]\.expression: Invalid value: "object\.": compilation failed: /,
  ],
  ['an unknown name', { validations: [{ expression: 'thing.x' }] }, /undeclared reference to 'thing'/],
  [
    'no rules',
    { matchConstraints: {}, validations: [AT_MOST_5] },
    /spec\.matchConstraints\.resourceRules: Required value/,
  ],
  [
    'nothing to check',
    {},
    /spec\.validations: Required value: validations or auditAnnotations must contain at least one item/,
  ],
  ['an unknown reason', { validations: [{ ...AT_MOST_5, reason: 'Fun' }] }, /reason: Unsupported value: "Fun"/],
];

for (const [name, spec, message] of INVALID) {
  test(`a policy with ${name} is refused`, async () => {
    const { request } = await startServer();
    const body = { metadata: { name: 'x' }, spec: { matchConstraints: { resourceRules: RULES }, ...spec } };
    const answer = await request('POST', `${GROUP}/validatingadmissionpolicies`, body);
    assert.equal(answer.status, 422, answer.body.message);
    assert.match(answer.body.message, message);
  });
}
