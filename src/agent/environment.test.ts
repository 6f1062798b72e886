import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod, Service } from '../api/types.ts';
import {
  ConfigError,
  containerEnvironment,
  type EnvSources,
  expand,
  linkedServices,
  serviceVariables,
} from './environment.ts';

function service(name: string, spec: Service['spec'], namespace = 'default'): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec };
}

const sources: EnvSources = {
  namespace: 'default',
  data: (kind, name) => (kind === 'configMap' && name === 'settings' ? { a: '1', b: '2' } : undefined),
  field: (path) => `<${path}>`,
  resource: ({ resource }) => `<${resource}>`,
};
const environment = (container: object, inherited: [string, string][] = []) =>
  Object.fromEntries(containerEnvironment({ name: 'main', ...container }, inherited, sources));

describe('expand', () => {
  const variables = new Map([['A', '1']]);
  const cases = [
    ['$(A)', '1'],
    ['x$(A)$(A)y', 'x11y'],
    ['$(UNKNOWN)', '$(UNKNOWN)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$A $ $(', '$A $ $('],
  ] as const;
  for (const [text, expected] of cases) it(text, () => assert.equal(expand(text, variables), expected));
});

describe('containerEnvironment', () => {
  it('lets later sources win, and each see what came before', () => {
    const envFrom = [{ configMapRef: { name: 'settings' } }];
    const env = [
      { name: 'b', value: 'own' },
      { name: 'c', value: '$(a)-$(b)-$(SVC)-$(later)' },
      { name: 'later', value: 'x' },
      { name: 'ip', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    ];
    assert.deepEqual(
      environment({ envFrom, env }, [
        ['SVC', 's'],
        ['a', 'hidden'],
      ]),
      {
        SVC: 's',
        a: '1',
        b: 'own',
        c: '1-own-s-$(later)',
        later: 'x',
        ip: '<status.podIP>',
      },
    );
  });

  const missing = [
    [{ envFrom: [{ configMapRef: { name: 'nosuch' } }] }, 'configmap "nosuch" not found'],
    [{ envFrom: [{ secretRef: { name: 'nosuch' } }] }, 'secret "nosuch" not found'],
    [{ env: [{ name: 'x', valueFrom: { secretKeyRef: { name: 'nosuch', key: 'k' } } }] }, 'secret "nosuch" not found'],
    [
      { env: [{ name: 'x', valueFrom: { configMapKeyRef: { name: 'settings', key: 'k' } } }] },
      "couldn't find key k in ConfigMap default/settings",
    ],
  ] as const;
  for (const [container, message] of missing) {
    it(message, () => {
      const at = { name: 'main', ...container } as unknown as Parameters<typeof containerEnvironment>[0];
      assert.throws(() => containerEnvironment(at, [], sources), new ConfigError(message));
    });
  }

  it('leaves out what is optional and missing', () => {
    const optional = { name: 'nosuch', optional: true };
    const env = [{ name: 'x', valueFrom: { configMapKeyRef: { name: 'settings', key: 'k', optional: true } } }];
    assert.deepEqual(environment({ envFrom: [{ secretRef: optional }], env }), {});
  });
});

describe('linkedServices', () => {
  const web = service('web', { clusterIP: '10.96.0.5' });
  const kubernetes = service('kubernetes', { clusterIP: '10.96.0.1' });
  const all = [
    web,
    kubernetes,
    service('headless', { clusterIP: 'None' }),
    service('other', { clusterIP: '10.96.0.9' }, 'else'),
  ];
  const podIn = (namespace: string, spec: object = {}) => ({ metadata: { name: 'p', namespace }, spec }) as Pod;
  const cases = [
    ['its namespace and the API', podIn('default'), ['kubernetes', 'web']],
    ['the API only, without links', podIn('default', { enableServiceLinks: false }), ['kubernetes']],
    ['another namespace', podIn('else'), ['kubernetes', 'other']],
  ] as const;
  for (const [name, pod, expected] of cases) {
    it(name, () =>
      assert.deepEqual(
        linkedServices(all, pod).map(({ metadata }) => metadata.name),
        expected,
      ),
    );
  }
});

describe('serviceVariables', () => {
  it('names every port', () => {
    const ports = [
      { name: 'http-alt', port: 8080 },
      { name: 'dns', port: 53, protocol: 'UDP' as const },
    ];
    assert.deepEqual(Object.fromEntries(serviceVariables([service('my-web', { clusterIP: '10.96.0.5', ports })])), {
      MY_WEB_SERVICE_HOST: '10.96.0.5',
      MY_WEB_SERVICE_PORT: '8080',
      MY_WEB_SERVICE_PORT_HTTP_ALT: '8080',
      MY_WEB_SERVICE_PORT_DNS: '53',
      MY_WEB_PORT: 'tcp://10.96.0.5:8080',
      MY_WEB_PORT_8080_TCP: 'tcp://10.96.0.5:8080',
      MY_WEB_PORT_8080_TCP_PROTO: 'tcp',
      MY_WEB_PORT_8080_TCP_PORT: '8080',
      MY_WEB_PORT_8080_TCP_ADDR: '10.96.0.5',
      MY_WEB_PORT_53_UDP: 'udp://10.96.0.5:53',
      MY_WEB_PORT_53_UDP_PROTO: 'udp',
      MY_WEB_PORT_53_UDP_PORT: '53',
      MY_WEB_PORT_53_UDP_ADDR: '10.96.0.5',
    });
  });
});
