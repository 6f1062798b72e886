import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ingresses } from '../kinds/ingress.ts';
import { ingressClasses } from '../kinds/ingressclass.ts';
import type { Ingress, IngressClass } from '../types.ts';

const backend = { service: { name: 'web', port: { number: 80 } } };
const withPath = (path: object) => ({
  rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend, ...path }] } }],
});

function errorsOf(spec: object, annotations: Record<string, string> = {}): string[] {
  const ingress = { metadata: { name: 'i', annotations }, spec } as unknown as Ingress;
  const errors = ingresses.validate!(ingress);
  return errors.map(({ field, message }) => `${field}: ${message}`);
}

test('good Ingresses', () => {
  const rows = [
    { defaultBackend: backend },
    { defaultBackend: { service: { name: 'web', port: { name: 'http' } } } },
    { ...withPath({}), tls: [{ hosts: ['a.example', '*.b.example'], secretName: 'x' }], ingressClassName: 'sampan' },
    withPath({ path: '', pathType: 'ImplementationSpecific' }),
    withPath({ path: '/a(/|$)(.*)', pathType: 'ImplementationSpecific' }),
    withPath({ backend: { resource: { apiGroup: 'k8s.example', kind: 'Bucket', name: 'x' } } }),
    { rules: [{ host: '*.a.example' }] },
  ];
  for (const spec of rows) assert.deepEqual(errorsOf(spec), [], JSON.stringify(spec));
});

test('bad Ingresses', () => {
  const path = 'spec.rules[0].http.paths[0]';
  const rows: [object, string | RegExp][] = [
    [{}, 'spec: Invalid value: []: either `defaultBackend` or `rules` must be specified'],
    [
      { rules: [{ host: '10.0.0.1' }] },
      'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
    ],
    [{ rules: [{ host: 'A.example' }] }, /^spec.rules\[0\].host: .*a lowercase RFC 1123 subdomain/],
    [{ rules: [{ host: 'a.*.example' }] }, /^spec.rules\[0\].host: .*a wildcard DNS-1123 subdomain must start with/],
    [{ rules: [{ http: { paths: [] } }] }, 'spec.rules[0].http.paths: Required value'],
    [withPath({ pathType: undefined }), `${path}.pathType: Required value: pathType must be specified`],
    [
      withPath({ pathType: 'Glob' }),
      `${path}.pathType: Unsupported value: "Glob": supported values: "Exact", "ImplementationSpecific", "Prefix"`,
    ],
    [withPath({ path: 'a' }), `${path}.path: Invalid value: "a": must be an absolute path`],
    [withPath({ path: '/a//b' }), `${path}.path: Invalid value: "/a//b": must not contain '//'`],
    [withPath({ path: '/a/%2f/..' }), `${path}.path: Invalid value: "/a/%2f/..": must not contain '%2f'`],
    [withPath({ path: '/a/..' }), `${path}.path: Invalid value: "/a/..": cannot end with '/..'`],
    [withPath({ backend: {} }), `${path}.backend: Invalid value: "": resource or service backend is required`],
    [
      { defaultBackend: { ...backend, resource: {} } },
      'spec.defaultBackend: Invalid value: "": cannot set both resource and service backends',
    ],
    [
      { defaultBackend: { service: { name: 'web' } } },
      'spec.defaultBackend: Required value: port name or number is required',
    ],
    [
      { defaultBackend: { service: { name: '', port: { number: 1 } } } },
      'spec.defaultBackend.service.name: Required value',
    ],
    [
      { defaultBackend: { service: { name: 'web', port: { number: 1, name: 'x' } } } },
      'spec.defaultBackend: Invalid value: "": cannot set both port name & port number',
    ],
    [
      { defaultBackend: { service: { name: 'web', port: { number: 70_000 } } } },
      'spec.defaultBackend.service.port.number: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
    [{ defaultBackend: backend, tls: [{ hosts: ['*'] }] }, /^spec.tls\[0\].hosts\[0\]: .*wildcard/],
    [{ defaultBackend: backend, ingressClassName: '' }, /^spec.ingressClassName: Invalid value: ""/],
  ];
  for (const [spec, expected] of rows) {
    const [first] = errorsOf(spec);
    if (expected instanceof RegExp) assert.match(first ?? '', expected);
    else assert.equal(first, expected);
  }
});

test('a class by annotation', () => {
  const annotations = { 'kubernetes.io/ingress.class': 'nginx' };
  const expected =
    'annotations.kubernetes.io/ingress.class: Invalid value: "nginx": can not be set when the class field is also set';
  assert.deepEqual(errorsOf({ defaultBackend: backend, ingressClassName: 'x' }, annotations), [expected]);
  const warnings = ingresses.warnings!({ metadata: { name: 'i', annotations } } as unknown as Ingress);
  assert.deepEqual(warnings, [
    `annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`,
  ]);
});

test('IngressClass', () => {
  const errors = (spec: object) => {
    const object = { metadata: { name: 'c' }, spec } as unknown as IngressClass;
    ingressClasses.setDefaults!(object);
    return ingressClasses.validate!(object).map(({ field, message }) => `${field}: ${message}`);
  };
  const controller = 'a.example/x';
  const parameters = { kind: 'ConfigMap', name: 'x', scope: 'Namespace', namespace: 'default' };
  assert.deepEqual([...errors({ controller }), ...errors({ controller, parameters })], []);
  const rows: [object, string][] = [
    [{}, 'spec.controller: Required value'],
    [
      { controller: 'x' },
      'spec.controller: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
    [{ controller, parameters: { name: 'x' } }, 'spec.parameters.kind: Required value: kind is required'],
    [
      { controller, parameters: { ...parameters, scope: 'Node' } },
      'spec.parameters.scope: Unsupported value: "Node": supported values: "Cluster", "Namespace"',
    ],
    [
      { controller, parameters: { ...parameters, namespace: undefined } },
      "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
    ],
    [
      { controller, parameters: { ...parameters, scope: 'Cluster' } },
      "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
    ],
  ];
  for (const [spec, expected] of rows) assert.equal(errors(spec)[0], expected);
  const before = { spec: { controller } } as IngressClass;
  const after = { spec: { controller: 'a.example/y' } } as IngressClass;
  assert.deepEqual(
    ingressClasses.validateUpdate!(after, before).map(({ field }) => field),
    ['spec.controller'],
  );
});
