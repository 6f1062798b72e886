import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestServer } from '../testing/server.ts';

const INGRESSES = '/apis/networking.k8s.io/v1/namespaces/default/ingresses';
const OLD_INGRESSES = '/apis/extensions/v1beta1/namespaces/default/ingresses';
const EXTENSIONS_WARNING =
  '299 - "extensions/v1beta1 Ingress is deprecated in v1.14+, unavailable in v1.22+; use networking.k8s.io/v1 Ingress"';

const oldIngress = {
  apiVersion: 'extensions/v1beta1',
  kind: 'Ingress',
  metadata: { name: 'web' },
  spec: {
    backend: { serviceName: 'all', servicePort: 'http' },
    rules: [{ host: 'a.example', http: { paths: [{ path: '/', backend: { serviceName: 'a', servicePort: 80 } }] } }],
  },
};

const newSpec = {
  defaultBackend: { service: { name: 'all', port: { name: 'http' } } },
  rules: [
    {
      host: 'a.example',
      http: {
        paths: [
          { path: '/', pathType: 'ImplementationSpecific', backend: { service: { name: 'a', port: { number: 80 } } } },
        ],
      },
    },
  ],
};

test('an Ingress of an old version is kept as the new one, and every answer warns', async () => {
  const { request } = await startTestServer();
  const created = await request('POST', OLD_INGRESSES, oldIngress);
  assert.equal(created.status, 201);
  assert.equal(created.headers['warning'], EXTENSIONS_WARNING);
  assert.equal(created.body.apiVersion, 'extensions/v1beta1');
  assert.deepEqual(created.body.spec.backend, oldIngress.spec.backend);
  const kept = await request('GET', `${INGRESSES}/web`);
  assert.equal(kept.body.apiVersion, 'networking.k8s.io/v1');
  assert.deepEqual(kept.body.spec, newSpec);
  assert.equal(kept.headers['warning'], undefined);
  const list = await request('GET', '/apis/networking.k8s.io/v1beta1/ingresses');
  assert.match(list.headers['warning']!, /^299 - "networking.k8s.io\/v1beta1 Ingress is deprecated in v1.19\+/);
  assert.equal(list.body.apiVersion, 'networking.k8s.io/v1beta1');
  assert.equal(list.body.items[0].apiVersion, 'networking.k8s.io/v1beta1');
  assert.deepEqual(list.body.items[0].spec.backend, oldIngress.spec.backend);
});

test('an object changes through every version of its kind', async () => {
  const { request } = await startTestServer();
  await request('POST', OLD_INGRESSES, oldIngress);
  const patch = { spec: { backend: { serviceName: 'other' } } };
  const headers = { 'content-type': 'application/merge-patch+json' };
  const patched = await request('PATCH', `${OLD_INGRESSES}/web`, patch, headers);
  assert.deepEqual(patched.body.spec.backend, { serviceName: 'other', servicePort: 'http' });
  assert.equal(patched.body.metadata.generation, 2);
  const current = (await request('GET', `${OLD_INGRESSES}/web`)).body;
  const replaced = await request('PUT', `${OLD_INGRESSES}/web`, { ...current, spec: oldIngress.spec });
  assert.equal(replaced.status, 200);
  assert.deepEqual((await request('GET', `${INGRESSES}/web`)).body.spec, newSpec);
  const stale = await request('PUT', `${OLD_INGRESSES}/web`, current);
  assert.equal(stale.body.reason, 'Conflict');
  assert.equal(stale.headers['warning'], EXTENSIONS_WARNING);
  const strict = await request('PATCH', `${OLD_INGRESSES}/web?fieldValidation=Strict`, { spec: { no: 1 } }, headers);
  assert.match(strict.body.message, /strict decoding error: unknown field "spec.no"/);
  assert.equal((await request('DELETE', `${OLD_INGRESSES}/web`)).status, 200);
  assert.equal((await request('GET', `${INGRESSES}/web`)).status, 404);
});

test('a watch of one version tells of writes in the other', async () => {
  const { request, transport } = await startTestServer();
  await request('POST', INGRESSES, { metadata: { name: 'web' }, spec: newSpec });
  const stop = new AbortController();
  const path = `${OLD_INGRESSES}?watch=true`;
  const { body } = await transport({ method: 'GET', path, signal: stop.signal });
  await request('DELETE', `${INGRESSES}/web`);
  const events: { type: string; object: { apiVersion: string; spec: object } }[] = [];
  for await (const chunk of body) {
    events.push(
      ...Buffer.from(chunk)
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    );
    if (events.length >= 2) stop.abort();
  }
  assert.deepEqual(
    events.map(({ type, object }) => [type, object.apiVersion]),
    [
      ['ADDED', 'extensions/v1beta1'],
      ['DELETED', 'extensions/v1beta1'],
    ],
  );
});

test('events of both groups are the same events', async () => {
  const { request } = await startTestServer();
  const event = {
    metadata: { name: 'e' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
    reportingController: 'c',
    reportingInstance: 'c-1',
    action: 'Go',
    reason: 'Gone',
    note: 'it went',
    type: 'Normal',
  };
  const path = '/apis/events.k8s.io/v1/namespaces/default/events';
  assert.equal((await request('POST', path, event)).status, 201);
  const core = await request('GET', '/api/v1/namespaces/default/events/e');
  assert.equal(core.body.message, 'it went');
  assert.deepEqual(core.body.involvedObject, event.regarding);
  const of = async (query: string) => (await request('GET', `${path}?fieldSelector=${query}`)).body.items?.length;
  assert.equal(await of('regarding.name=p,reason=Gone'), 1);
  assert.equal(await of('regarding.name=q'), 0);
  const wrong = await request('GET', `${path}?fieldSelector=involvedObject.name=p`);
  assert.equal(wrong.body.message, 'field label not supported: involvedObject.name');
  const table = { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' };
  const { rows } = (await request('GET', path, undefined, table)).body;
  assert.deepEqual(rows[0].cells.slice(1, 4), ['Normal', 'Gone', 'pod/p']);
});

test('autoscaling/v1 keeps what it has no fields for in annotations', async () => {
  const { request } = await startTestServer();
  const memory = {
    type: 'Resource',
    resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } },
  };
  const spec = {
    scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' },
    minReplicas: 2,
    maxReplicas: 5,
    targetCPUUtilizationPercentage: 70,
  };
  const v1 = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
  const v2 = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
  const created = await request('POST', v1, { metadata: { name: 'h' }, spec });
  assert.deepEqual(created.body.spec, spec);
  const stored = (await request('GET', `${v2}/h`)).body;
  assert.equal(stored.spec.metrics[0].resource.target.averageUtilization, 70);
  stored.spec.metrics.push(memory);
  await request('PUT', `${v2}/h`, stored);
  const old = (await request('GET', `${v1}/h`)).body;
  assert.deepEqual(old.spec, spec);
  assert.deepEqual(JSON.parse(old.metadata.annotations['autoscaling.alpha.kubernetes.io/metrics']), [memory]);
  await request('PUT', `${v1}/h`, { ...old, spec: { ...spec, maxReplicas: 9 } });
  const after = (await request('GET', `${v2}/h`)).body;
  assert.equal(after.spec.maxReplicas, 9);
  assert.deepEqual(after.spec.metrics[1], memory);
  assert.equal(after.metadata.annotations, undefined);
});
