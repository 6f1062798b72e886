import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '../api/types.ts';
import { dnsConfig, hostsFile, sandboxConfig } from './sandbox-config.ts';

const cluster = { clusterDns: '10.96.0.10', clusterDomain: 'example.org' };

function pod(spec: object = {}): Pod {
  const metadata = { name: 'web-0', namespace: 'shop', uid: 'u' };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'c' }], ...spec } } as Pod;
}

describe('dnsConfig', () => {
  const first = {
    servers: ['10.96.0.10'],
    searches: ['shop.svc.example.org', 'svc.example.org', 'example.org'],
    options: ['ndots:5'],
  };
  const none = { servers: [], searches: [], options: [] };
  const own = {
    nameservers: ['10.1.1.1'],
    searches: ['x.y'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
  };
  const cases: [string, object, object][] = [
    ['the cluster first', { dnsPolicy: 'ClusterFirst' }, first],
    ['the node’s own on its network', { dnsPolicy: 'ClusterFirst', hostNetwork: true }, none],
    ['the cluster first, even there', { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }, first],
    ['the node’s own', { dnsPolicy: 'Default' }, none],
    [
      'nothing but what the pod says',
      { dnsPolicy: 'None', dnsConfig: own },
      { servers: ['10.1.1.1'], searches: ['x.y'], options: ['ndots:2', 'edns0'] },
    ],
    [
      'what the pod adds',
      { dnsPolicy: 'ClusterFirst', dnsConfig: own },
      {
        servers: ['10.96.0.10', '10.1.1.1'],
        searches: [...first.searches, 'x.y'],
        options: ['ndots:2', 'edns0'],
      },
    ],
  ];
  for (const [name, spec, expected] of cases) {
    it(`asks ${name}`, () => assert.deepEqual(dnsConfig(pod(spec), cluster), expected));
  }
});

describe('hostsFile', () => {
  const lines = (spec: object) => hostsFile(pod(spec), { podIp: '10.244.0.5', ...cluster }).split('\n');

  it('names the pod', () => assert.ok(lines({}).includes('10.244.0.5\tweb-0')));

  it('names it in its subdomain', () => {
    const wanted = '10.244.0.5\thost.sub.shop.svc.example.org\thost';
    assert.ok(lines({ hostname: 'host', subdomain: 'sub' }).includes(wanted));
  });

  it('adds aliases', () => {
    const hostAliases = [{ ip: '10.1.2.3', hostnames: ['a', 'b'] }];
    assert.ok(lines({ hostAliases }).includes('10.1.2.3\ta\tb'));
  });
});

describe('sandboxConfig', () => {
  const options = { ...cluster, cgroupParent: '/sampan/dev/node-1', logDirectory: '/logs', attempt: 2 };

  it('says whose it is', () => {
    const { metadata, labels, linux, hostname } = sandboxConfig(pod(), options);
    assert.deepEqual(metadata, { name: 'web-0', namespace: 'shop', uid: 'u', attempt: 2 });
    assert.equal(labels['io.kubernetes.pod.uid'], 'u');
    assert.equal(linux.cgroup_parent, '/sampan/dev/node-1/podu');
    assert.equal(hostname, 'web-0');
  });

  const cases: [object, object][] = [
    [{}, { network: 'POD', pid: 'CONTAINER', ipc: 'POD' }],
    [{ hostNetwork: true }, { network: 'NODE', pid: 'CONTAINER', ipc: 'POD' }],
    [
      { hostPID: true, hostIPC: true },
      { network: 'POD', pid: 'NODE', ipc: 'NODE' },
    ],
    [{ shareProcessNamespace: true }, { network: 'POD', pid: 'POD', ipc: 'POD' }],
  ];
  for (const [spec, expected] of cases) {
    it(`shares what ${JSON.stringify(spec)} says`, () =>
      assert.deepEqual(sandboxConfig(pod(spec), options).linux.security_context.namespace_options, expected));
  }
});
