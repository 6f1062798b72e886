import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { CustomResourceDefinition } from '../../api/crd/definition.ts';
import { rowsOf } from '../../api/crd/rows.ts';
import { registry } from '../../api/registry.ts';
import { Catalog } from '../catalog.ts';
import { cronTabs } from '../crd/crontab.fixture.ts';
import type { ApiRequest } from '../request.ts';
import { parseDeclaration } from './descriptions.ts';
import { createOpenApi } from './openapi.ts';

const PACKAGES = new URL('../../../node_modules/', import.meta.url);

function readPackageFile(path: string): string | undefined {
  try {
    return readFileSync(new URL(path, PACKAGES), 'utf8');
  } catch {
    return undefined;
  }
}

const handler = createOpenApi({ catalog: new Catalog(registry), readPackageFile });

// biome-ignore lint/suspicious/noExplicitAny: documents are looked into
async function get(path: string): Promise<any> {
  const request = { method: 'GET', path, headers: {}, query: new URLSearchParams() } as unknown as ApiRequest;
  const response = await handler(request);
  return response && JSON.parse(response.body as string);
}

function refsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' && typeof item === 'string' ? [item] : refsOf(item),
  );
}

test('createOpenApi() lists every group version, and each document is whole', async () => {
  const { paths } = await get('/openapi/v3');
  const groupVersions = Object.keys(paths);
  assert.ok(groupVersions.includes('api/v1') && groupVersions.includes('apis/apps/v1'));
  for (const path of groupVersions) {
    const document = await get(`/openapi/v3/${path}`);
    const missing = refsOf(document).filter(
      (ref) => !document.components.schemas[ref.replace('#/components/schemas/', '')],
    );
    assert.deepEqual(missing, [], path);
  }
  assert.equal(await get('/openapi/v3/apis/none/v1'), undefined);
});

test('createOpenApi() describes kinds, fields and merge keys', async () => {
  const { components, paths } = await get('/openapi/v3/api/v1');
  const pod = components.schemas['io.k8s.api.core.v1.Pod'];
  assert.deepEqual(pod['x-kubernetes-group-version-kind'], [{ group: '', version: 'v1', kind: 'Pod' }]);
  assert.match(pod.description, /Pod is a collection of containers/);
  const { containers } = components.schemas['io.k8s.api.core.v1.PodSpec'].properties;
  assert.match(containers.description, /List of containers belonging to the pod/);
  assert.deepEqual([containers['x-kubernetes-patch-merge-key'], containers.type], ['name', 'array']);
  assert.equal(components.schemas['io.k8s.api.core.v1.ServicePort'].properties.targetPort.format, 'int-or-string');
  const { patch } = paths['/api/v1/namespaces/{namespace}/pods/{name}'];
  assert.equal(patch['x-kubernetes-action'], 'patch');
  assert.ok(patch.parameters.some((parameter: { name: string }) => parameter.name === 'fieldValidation'));
});

test('createOpenApi() tells how fields are patched', async () => {
  const { components, paths } = await get('/openapi/v3/apis/apps/v1');
  const rows: [string, string, string][] = [
    ['core.v1.PodSpec', 'containers', 'merge'],
    ['core.v1.PodSpec', 'volumes', 'merge,retainKeys'],
    ['apps.v1.DeploymentSpec', 'strategy', 'retainKeys'],
  ];
  for (const [type, field, strategy] of rows) {
    const { properties } = components.schemas[`io.k8s.api.${type}`];
    assert.equal(properties[field]['x-kubernetes-patch-strategy'], strategy, field);
  }
  const collection = paths['/apis/apps/v1/namespaces/{namespace}/deployments'];
  assert.equal(collection.delete['x-kubernetes-action'], 'deletecollection');
});

test('createOpenApi() serves version 2 with definitions', async () => {
  const document = await get('/openapi/v2');
  const missing = refsOf(document).filter((ref) => !document.definitions[ref.replace('#/definitions/', '')]);
  assert.deepEqual([document.swagger, missing], ['2.0', []]);
});

test('parseDeclaration() reads comments of an interface and its fields', () => {
  const text = `/**\n * A thing.\n */\nexport interface IThing {\n    /**\n     * Its name.\n     *\n     * Never empty.\n     */\n    "name"?: string;\n}\nexport declare class Thing {}`;
  assert.deepEqual(parseDeclaration(text), { text: 'A thing.', fields: { name: 'Its name.\n\nNever empty.' } });
});

test('createOpenApi() follows definitions', async () => {
  const catalog = new Catalog(registry);
  const open = createOpenApi({ catalog, readPackageFile });
  // biome-ignore lint/suspicious/noExplicitAny: documents are looked into
  const read = async (path: string): Promise<any> => {
    const request = { method: 'GET', path, headers: {}, query: new URLSearchParams() } as unknown as ApiRequest;
    const response = await open(request);
    return response && JSON.parse(response.body as string);
  };
  const at = 'apis/stable.example.com/v1';
  assert.equal(await read(`/openapi/v3/${at}`), undefined);
  const status = { conditions: [{ type: 'Established', status: 'True' as const }] };
  const definition = { ...cronTabs, status } as unknown as CustomResourceDefinition;
  catalog.setAdded(rowsOf(definition));
  const hash = (await read('/openapi/v3')).paths[at].serverRelativeURL;
  const document = await read(`/openapi/v3/${at}`);
  const schema = document.components.schemas['com.example.stable.v1.CronTab'];
  assert.deepEqual(schema['x-kubernetes-group-version-kind'], [
    { group: 'stable.example.com', version: 'v1', kind: 'CronTab' },
  ]);
  assert.equal(schema.properties.spec.properties.image.description, 'The image to run.');
  assert.ok(document.paths['/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}'].patch);
  const missing = refsOf(document).filter((ref) => !document.components.schemas[ref.replace(/.*\//, '')]);
  assert.deepEqual(missing, []);
  const v2 = (await read('/openapi/v2')).definitions['com.example.stable.v1.CronTab'];
  assert.deepEqual(v2.properties.spec.properties.free, { 'x-kubernetes-preserve-unknown-fields': true });
  assert.equal(v2.properties.spec.properties.replicas.default, undefined);
  const other = structuredClone(definition);
  other.spec.versions.splice(1);
  (other.spec.versions[0] as { schema: object }).schema = { openAPIV3Schema: { type: 'object' } };
  catalog.setAdded(rowsOf(other));
  assert.notEqual((await read('/openapi/v3')).paths[at].serverRelativeURL, hash);
  assert.equal(await read('/openapi/v3/apis/stable.example.com/v1beta1'), undefined);
});
