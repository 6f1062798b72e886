import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from './registry.ts';
import { checkFields, fieldNames, fieldOf, typeNameOf } from './schema.ts';

test('every kind of the registry has a schema with its metadata', () => {
  for (const resource of registry) {
    const typeName = typeNameOf(resource);
    assert.ok(fieldNames(typeName), typeName);
    assert.equal(fieldOf(typeName, 'metadata')?.type, 'meta/v1.ObjectMeta', typeName);
  }
});

test('checkFields names unknown fields by their path', () => {
  const rows: [string, object, string[]][] = [
    ['apps/v1.Deployment', { spec: { templat: {} } }, ['unknown field "spec.templat"']],
    [
      'core/v1.Pod',
      { spec: { containers: [{ name: 'a' }, { imag: 'x' }] } },
      ['unknown field "spec.containers[1].imag"'],
    ],
    [
      'core/v1.Pod',
      { spec: { toString: 1 }, constructor: 1 },
      ['unknown field "spec.toString"', 'unknown field "constructor"'],
    ],
    ['core/v1.ConfigMap', { data: { anything: 'goes' }, metadata: { labels: { any: 'key' } } }, []],
    ['core/v1.Service', { spec: { selector: null, ports: [{ targetPort: 'http' }] } }, []],
  ];
  for (const [type, object, unknown] of rows) assert.deepEqual(checkFields(type, object).unknown, unknown);
});

test('checkFields words wrong types as Go does', () => {
  const rows: [string, object, string, string][] = [
    ['apps/v1.Deployment', { spec: { replicas: '3' } }, 'string', 'DeploymentSpec.spec.replicas of type int32'],
    ['apps/v1.Deployment', { spec: { replicas: 1.5 } }, 'number 1.5', 'DeploymentSpec.spec.replicas of type int32'],
    [
      'apps/v1.Deployment',
      { spec: { replicas: 2 ** 31 } },
      'number 2147483648',
      'DeploymentSpec.spec.replicas of type int32',
    ],
    ['core/v1.Service', { spec: { ports: {} } }, 'object', 'ServiceSpec.spec.ports of type []v1.ServicePort'],
    ['core/v1.Pod', { spec: { hostNetwork: 'yes' } }, 'string', 'PodSpec.spec.hostNetwork of type bool'],
    ['core/v1.Pod', { spec: [] }, 'array', 'Pod.spec of type v1.PodSpec'],
    ['core/v1.ConfigMap', { data: { a: 1 } }, 'number', 'ConfigMap.data.a of type string'],
    [
      'core/v1.Pod',
      { spec: { containers: [{ name: true }] } },
      'bool',
      'Container.spec.containers.name of type string',
    ],
  ];
  for (const [type, object, found, field] of rows) {
    const expected = `json: cannot unmarshal ${found} into Go struct field ${field}`;
    assert.deepEqual(checkFields(type, object).wrongTypes, [expected]);
  }
});
