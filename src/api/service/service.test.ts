import assert from 'node:assert/strict';
import { test } from 'node:test';
import { services } from '../kinds/service.ts';
import type { Service } from '../types.ts';
import { validateServiceUpdate } from './update.ts';
import { validateService } from './validation.ts';

// biome-ignore lint/suspicious/noExplicitAny: rows hold specs that the types forbid
type Spec = any;

function defaulted(spec: Spec): Service {
  const service: Service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec: structuredClone(spec) };
  services.setDefaults!(service);
  return service;
}

test('defaults of Services', () => {
  const none = { sessionAffinity: 'None' };
  const port = { port: 80, protocol: 'TCP', targetPort: 80 };
  const internal = { internalTrafficPolicy: 'Cluster' };
  const external = { externalTrafficPolicy: 'Cluster' };
  const tenHours = { clientIP: { timeoutSeconds: 10800 } };
  const rows: [Spec, Spec][] = [
    [{ ports: [{ port: 80 }] }, { ...none, ...internal, type: 'ClusterIP', ports: [port] }],
    [
      { ports: [{ port: 80, targetPort: 'http' }] },
      { ...none, ...internal, type: 'ClusterIP', ports: [{ ...port, targetPort: 'http' }] },
    ],
    [{ type: 'NodePort' }, { ...none, ...internal, ...external, type: 'NodePort' }],
    [
      { type: 'LoadBalancer' },
      { ...none, ...internal, ...external, type: 'LoadBalancer', allocateLoadBalancerNodePorts: true },
    ],
    [{ externalIPs: ['1.2.3.4'] }, { ...none, ...internal, ...external, type: 'ClusterIP', externalIPs: ['1.2.3.4'] }],
    [
      { type: 'ExternalName', externalName: 'a.b' },
      { ...none, type: 'ExternalName', externalName: 'a.b' },
    ],
    [
      { sessionAffinity: 'ClientIP' },
      { ...internal, sessionAffinity: 'ClientIP', sessionAffinityConfig: tenHours, type: 'ClusterIP' },
    ],
    [
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: {} },
      { ...internal, sessionAffinity: 'ClientIP', sessionAffinityConfig: tenHours, type: 'ClusterIP' },
    ],
    [
      { sessionAffinity: 'None', sessionAffinityConfig: tenHours },
      { ...none, ...internal, type: 'ClusterIP' },
    ],
    [{ clusterIP: 'None' }, { ...none, ...internal, type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'] }],
  ];
  for (const [spec, expected] of rows) assert.deepEqual(defaulted(spec).spec, expected);
});

const web = { ports: [{ port: 80 }] };
const twice = (extra: object) => ({
  ports: [
    { name: 'a', port: 80, ...extra },
    { name: 'b', port: 81, ...extra },
  ],
});

test('validateService accepts', () => {
  const rows: Spec[] = [
    web,
    { clusterIP: 'None' },
    { type: 'ExternalName', externalName: 'example.com.' },
    {
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53 },
      ],
    },
    { ...web, type: 'LoadBalancer', loadBalancerSourceRanges: [' 10.0.0.0/8 '], loadBalancerClass: 'example.com/a' },
    { ...web, sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86400 } } },
    { ...web, trafficDistribution: 'PreferSameZone', internalTrafficPolicy: 'Local' },
    {
      ...web,
      type: 'NodePort',
      ports: [
        { name: 'a', port: 1, nodePort: 30000 },
        { name: 'b', port: 1, nodePort: 30000, protocol: 'UDP' },
      ],
    },
  ];
  for (const spec of rows) assert.deepEqual(validateService(defaulted(spec)), [], JSON.stringify(spec));
});

test('validateService refuses in the words of Kubernetes', () => {
  const only = "Forbidden: may only be used when `type` is 'LoadBalancer'";
  const rows: [Spec, string][] = [
    [{}, 'spec.ports: Required value'],
    [
      { ports: [{ port: 0, targetPort: 80 }] },
      'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
    [
      { ports: [{ port: 80, protocol: 'ICMP' }] },
      'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
    ],
    [
      { ports: [{ port: 80, targetPort: 70000 }] },
      'spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
    [
      { ports: [{ port: 80, targetPort: 'a--b' }] },
      'spec.ports[0].targetPort: Invalid value: "a--b": must not contain consecutive hyphens',
    ],
    [{ ports: [{ port: 80 }, { port: 81, name: 'b' }] }, 'spec.ports[0].name: Required value'],
    [
      {
        ports: [
          { port: 80, name: 'b' },
          { port: 81, name: 'b' },
        ],
      },
      'spec.ports[1].name: Duplicate value: "b"',
    ],
    [
      {
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'b' },
        ],
      },
      'spec.ports[1]: Duplicate value: {"port":80,"protocol":"TCP"}',
    ],
    [
      { ports: [{ port: 80, nodePort: 30000 }] },
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    [{ ...twice({ nodePort: 30000 }), type: 'NodePort' }, 'spec.ports[1].nodePort: Duplicate value: 30000'],
    [
      { ...web, type: 'Headless' },
      'spec.type: Unsupported value: "Headless": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
    [
      { ...web, type: 'NodePort', clusterIP: 'None' },
      'spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services',
    ],
    [{ type: 'ExternalName' }, 'spec.externalName: Required value'],
    [
      { type: 'ExternalName', externalName: 'a.b', clusterIP: '10.96.0.1' },
      'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
    ],
    [
      { ...web, sessionAffinity: 'Cookie' },
      'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"',
    ],
    [
      { ...web, sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } } },
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400',
    ],
    [
      { ...web, clusterIP: 'x' },
      'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      { ...web, clusterIPs: ['10.96.0.1'] },
      'spec.clusterIPs: Invalid value: ["10.96.0.1"]: must be empty when `clusterIP` is not specified',
    ],
    [
      { ...web, clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', '10.96.0.2'] },
      'spec.clusterIPs: Invalid value: ["10.96.0.1","10.96.0.2"]: may specify no more than one IP for each IP family',
    ],
    [
      { ...web, clusterIP: '10.96.0.1', ipFamilies: ['IPv6'] },
      'spec.clusterIPs[0]: Invalid value: "10.96.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`',
    ],
    [{ ...web, ipFamilies: ['IPv4', 'IPv4'] }, 'spec.ipFamilies[1]: Duplicate value: "IPv4"'],
    [
      { ...web, externalIPs: ['127.0.0.1'] },
      'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
    [{ ...web, loadBalancerSourceRanges: ['10.0.0.0/8'] }, `spec.LoadBalancerSourceRanges: ${only}`],
    [{ ...web, loadBalancerClass: 'a/b' }, `spec.loadBalancerClass: ${only}`],
    [
      { ...web, externalTrafficPolicy: 'Local' },
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
    [
      { ...web, healthCheckNodePort: 30000 },
      "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    ],
    [
      { ...web, internalTrafficPolicy: 'Near' },
      'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
    ],
    [{ ...web, selector: { a: '-' } }, 'spec.selector: Invalid value: "-": a valid label must'],
  ];
  for (const [spec, text] of rows) {
    const errors = validateService(defaulted(spec)).map(({ field, message }) => `${field}: ${message}`);
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.ok(errors[0]!.startsWith(text), `${errors[0]} for ${text}`);
  }
});

const stored = {
  type: 'ClusterIP',
  clusterIP: '10.96.0.9',
  clusterIPs: ['10.96.0.9'],
  ipFamilies: ['IPv4'],
  ipFamilyPolicy: 'SingleStack',
};
const balanced = {
  ...stored,
  type: 'LoadBalancer',
  externalTrafficPolicy: 'Local',
  healthCheckNodePort: 31000,
  ports: [{ name: 'a', port: 80, nodePort: 30080 }],
};

/** What an update from `before` to `spec` stores, and what it is refused for. */
function update(before: Spec, spec: Spec) {
  const old = defaulted(before);
  const service = defaulted(spec);
  services.prepareForUpdate!(service, old);
  const errors = [...validateService(service), ...validateServiceUpdate(service, old)];
  return { spec: service.spec!, errors: errors.map(({ field, message }) => `${field}: ${message}`) };
}

test('an update that leaves allocated fields out keeps them', () => {
  const { spec, errors } = update({ ...stored, ...web }, web);
  assert.deepEqual(errors, []);
  assert.deepEqual([spec.clusterIP, spec.clusterIPs, spec.ipFamilies], ['10.96.0.9', ['10.96.0.9'], ['IPv4']]);
  const ports = [
    { name: 'a', port: 8080 },
    { name: 'b', port: 81 },
  ];
  const kept = update(balanced, { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports });
  assert.deepEqual(
    kept.spec.ports?.map((port) => port.nodePort),
    [30080, undefined],
  );
  assert.equal(kept.spec.healthCheckNodePort, 31000);
});

test('a change of type drops what the new type has no use for', () => {
  const toClusterIp = update(balanced, { ...defaulted(balanced).spec, type: 'ClusterIP' });
  assert.deepEqual(toClusterIp.errors, []);
  assert.deepEqual(toClusterIp.spec.ports, [{ name: 'a', port: 80, protocol: 'TCP', targetPort: 80 }]);
  for (const field of ['healthCheckNodePort', 'externalTrafficPolicy', 'allocateLoadBalancerNodePorts'] as const) {
    assert.equal(toClusterIp.spec[field], undefined, field);
  }
  const external = update({ ...stored, ...web }, { ...stored, ...web, type: 'ExternalName', externalName: 'a.b' });
  assert.deepEqual(external.errors, []);
  assert.equal(external.spec.clusterIP, undefined);
  assert.equal(external.spec.ipFamilies, undefined);
});

test('what may not change in a Service', () => {
  const once = 'may not change once set';
  const service = { ...stored, ...web };
  const rows: [Spec, Spec, string[]][] = [
    [
      service,
      { ...service, clusterIP: '10.96.0.8', clusterIPs: ['10.96.0.8'] },
      [`spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: ${once}`],
    ],
    [
      service,
      { ...service, clusterIP: 'None', clusterIPs: ['None'] },
      [`spec.clusterIPs[0]: Invalid value: ["None"]: ${once}`],
    ],
    [balanced, { ...balanced, loadBalancerClass: 'a/b' }, [`spec.loadBalancerClass: Invalid value: "a/b": ${once}`]],
    [
      balanced,
      { ...balanced, healthCheckNodePort: 31001 },
      ['spec.healthCheckNodePort: Forbidden: field is immutable'],
    ],
    [{ type: 'ExternalName', externalName: 'a.b' }, web, []],
    [service, { ...service, selector: { a: 'b' }, sessionAffinity: 'ClientIP', type: 'NodePort' }, []],
  ];
  for (const [before, spec, errors] of rows) assert.deepEqual(update(before, spec).errors, errors);
});
