import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from '../registry.ts';
import type { KubeObject } from '../types.ts';

/** The row of a kind with an object of it, as it is after defaulting. */
function defaulted(kind: string, rest: object) {
  const resource = registry.find((row) => row.kind === kind)!;
  const object = { apiVersion: 'v1', kind, metadata: { name: 'x' }, ...structuredClone(rest) } as KubeObject;
  resource.setDefaults?.(object);
  return { resource, object };
}

function errorsOf(kind: string, rest: object): string[] {
  const { resource, object } = defaulted(kind, rest);
  return (resource.validate?.(object) ?? []).map(({ field, message }) => `${field}: ${message}`);
}

function updateErrors(kind: string, before: object, after: object): string[] {
  const { resource, object } = defaulted(kind, after);
  return (resource.validateUpdate?.(object, defaulted(kind, before).object) ?? []).map((error) => error.field);
}

const slice = { addressType: 'IPv4', endpoints: [{ addresses: ['10.244.0.5'] }], ports: [{ port: 80 }] };
const container = { name: 'c', image: 'nginx' };
const pod = { spec: { containers: [container] } };
const template = { metadata: { labels: { a: 'b' } }, ...pod };
const workload = { spec: { selector: { matchLabels: { a: 'b' } }, template } };

test('validate accepts', () => {
  const rows: [string, object][] = [
    ['EndpointSlice', slice],
    ['EndpointSlice', { ...slice, addressType: 'FQDN', endpoints: [{ addresses: ['a.b'] }] }],
    ['Endpoints', { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] }],
    ['Pod', pod],
    ['Deployment', workload],
    ['ReplicaSet', workload],
    ['Secret', { stringData: { a: 'b' } }],
    ['Secret', { type: 'kubernetes.io/tls', data: { 'tls.crt': '', 'tls.key': '' } }],
  ];
  for (const [kind, rest] of rows) assert.deepEqual(errorsOf(kind, rest), [], kind);
});

test('validate refuses in the words of Kubernetes', () => {
  const many = Array.from({ length: 1001 }, () => ({ addresses: ['10.0.0.1'] }));
  const rows: [string, object, string][] = [
    ['EndpointSlice', { ...slice, addressType: 'IPX', endpoints: [] }, 'addressType: Unsupported value: "IPX"'],
    ['EndpointSlice', { ...slice, endpoints: many }, 'endpoints: Too many: 1001: must have at most 1000 items'],
    [
      'EndpointSlice',
      { ...slice, endpoints: [{ addresses: [] }] },
      'endpoints[0].addresses: Required value: must contain at least 1',
    ],
    [
      'EndpointSlice',
      { ...slice, endpoints: [{ addresses: ['::1'] }] },
      'endpoints[0].addresses[0]: Invalid value: "::1"',
    ],
    [
      'EndpointSlice',
      { ...slice, endpoints: [{ addresses: ['127.0.0.1'] }] },
      'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not',
    ],
    ['EndpointSlice', { ...slice, ports: [{ port: 1 }, { port: 2 }] }, 'ports[1].name: Duplicate value: ""'],
    ['Endpoints', { subsets: [{}] }, 'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`'],
    ['Pod', { spec: { containers: [{ ...container, image: '' }] } }, 'spec.containers[0].image: Required value'],
    ['Pod', { spec: { containers: [container, container] } }, 'spec.containers[1].name: Duplicate value: "c"'],
    [
      'Pod',
      { spec: { containers: [{ ...container, ports: [{ containerPort: 0 }] }] } },
      'spec.containers[0].ports[0].containerPort: Invalid',
    ],
    [
      'Pod',
      { spec: { containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/v' }] }] } },
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ],
    ['Secret', { data: { a: '*' } }, 'data[a]: Invalid value'],
    ['Secret', { type: 'kubernetes.io/dockerconfigjson' }, 'data[.dockerconfigjson]: Required value'],
    [
      'Deployment',
      { spec: { ...workload.spec, selector: { matchLabels: { a: 'c' } } } },
      'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
    ],
    [
      'Deployment',
      { spec: { ...workload.spec, replicas: -1 } },
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    ],
  ];
  for (const [kind, rest, text] of rows) {
    const errors = errorsOf(kind, rest);
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.ok(errors[0]!.startsWith(text), `${errors[0]} for ${text}`);
  }
});

test('validateUpdate compares by content, not by the order of keys', () => {
  const two = (matchLabels: object) => ({ spec: { ...workload.spec, selector: { matchLabels } } });
  const rows: [string, object, object, string[]][] = [
    ['Deployment', two({ a: '1', b: '2' }), two({ b: '2', a: '1' }), []],
    ['Deployment', two({ a: '1' }), two({ a: '2' }), ['spec.selector']],
    ['ConfigMap', { immutable: true, data: { a: '1', b: '2' } }, { immutable: true, data: { b: '2', a: '1' } }, []],
    ['ConfigMap', { immutable: true, data: { a: '1' } }, { immutable: true, data: { a: '2' } }, ['data']],
    ['ConfigMap', { immutable: true, data: { a: '1' } }, { data: { a: '1' } }, ['immutable']],
    ['Secret', { data: { a: '' } }, { type: 'kubernetes.io/tls', data: { a: '' } }, ['type']],
    ['Pod', pod, { spec: { containers: [{ image: 'nginx:2', name: 'c', imagePullPolicy: 'Always' }] } }, []],
    ['Pod', pod, { spec: { containers: [{ ...container, command: ['x'] }] } }, ['spec']],
    ['EndpointSlice', slice, { ...slice, addressType: 'IPv6' }, ['addressType']],
  ];
  for (const [kind, before, after, fields] of rows) assert.deepEqual(updateErrors(kind, before, after), fields, kind);
});

test('a pod is defaulted as Kubernetes does', () => {
  // biome-ignore lint/suspicious/noExplicitAny: looked into field by field
  const { spec } = defaulted('Pod', pod).object as any;
  const fields = { restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', terminationGracePeriodSeconds: 30 };
  for (const [field, value] of Object.entries(fields)) assert.equal(spec[field], value, field);
  assert.equal(spec.enableServiceLinks, true);
  assert.equal(spec.schedulerName, 'default-scheduler');
  assert.deepEqual(spec.containers[0], {
    ...container,
    imagePullPolicy: 'Always',
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  });
  const pulls: [string, string][] = [
    ['a:1', 'IfNotPresent'],
    ['a:latest', 'Always'],
    ['r:5000/a', 'Always'],
    ['a@sha256:0', 'IfNotPresent'],
  ];
  for (const [image, policy] of pulls) {
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const object = defaulted('Pod', { spec: { containers: [{ name: 'c', image }] } }).object as any;
    assert.equal(object.spec.containers[0].imagePullPolicy, policy, image);
  }
});
