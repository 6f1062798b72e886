import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../api/types.ts';
import { type Assignment, assign, isOurs, LOAD_BALANCER_CLASS, SHARING_ANNOTATION } from './assign.ts';
import { addressesOf, parsePool } from './pool.ts';

const POOL = parsePool('10.89.0.200-10.89.0.202, fd00::10/127');

interface Given {
  wanted?: string;
  present?: string;
  sharing?: string;
  port?: number;
  policy?: 'Cluster' | 'Local';
  families?: string[];
}

function service({ wanted, present, sharing, port = 80, policy = 'Cluster', families = ['IPv4'] }: Given): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default', annotations: sharing ? { [SHARING_ANNOTATION]: sharing } : {} },
    spec: {
      type: 'LoadBalancer',
      loadBalancerIP: wanted,
      ipFamilies: families,
      externalTrafficPolicy: policy,
      selector: { app: `on-${port}` },
      ports: [{ port }],
    },
    status: { loadBalancer: present ? { ingress: [{ ip: present }] } : {} },
  } as Service;
}

test('pool: ranges and CIDRs, both ends included; anything else is refused', () => {
  assert.deepEqual([...addressesOf(POOL, 4)], ['10.89.0.200', '10.89.0.201', '10.89.0.202']);
  assert.deepEqual([...addressesOf(POOL, 6)], ['fd00::10', 'fd00::11']);
  for (const text of ['', '10.0.0.9-10.0.0.1', '10.0.0.1-fd00::1', '10.0.0.1', '10.0.0.1-10.0.0.2-10.0.0.3']) {
    assert.throws(() => parsePool(text), /load balancer addresses: expected first-last or a CIDR/);
  }
});

test('each Service gets an address, one a family', () => {
  const cases: [about: string, given: Given, held: Record<string, Given>, expected: Assignment][] = [
    ['the first free one', {}, {}, { ips: ['10.89.0.200'] }],
    ['not one that another has', {}, { '10.89.0.200': {} }, { ips: ['10.89.0.201'] }],
    ['the one it has', { present: '10.89.0.202' }, {}, { ips: ['10.89.0.202'] }],
    ['another, when the one it has is outside the pool', { present: '10.89.0.99' }, {}, { ips: ['10.89.0.200'] }],
    ['the wanted one', { wanted: '10.89.0.201', present: '10.89.0.200' }, {}, { ips: ['10.89.0.201'] }],
    ['a wanted one outside', { wanted: '10.9.9.9' }, {}, { refused: 'address 10.9.9.9 is not in the pool' }],
    ['a wanted one that is none', { wanted: 'ten' }, {}, { refused: '"ten" is not an IP address' }],
    [
      'a wanted one that another has',
      { wanted: '10.89.0.201' },
      { '10.89.0.201': {} },
      { refused: 'address 10.89.0.201 is already in use' },
    ],
    [
      'nothing is left',
      {},
      { '10.89.0.200': {}, '10.89.0.201': {}, '10.89.0.202': {} },
      { refused: 'no available IPv4 addresses' },
    ],
    ['two families', { families: ['IPv6', 'IPv4'] }, {}, { ips: ['fd00::10', '10.89.0.200'] }],
    ['shared: both say so', { sharing: 'a', port: 81 }, { '10.89.0.200': { sharing: 'a' } }, { ips: ['10.89.0.200'] }],
    [
      'not shared: another key',
      { sharing: 'b', port: 81 },
      { '10.89.0.200': { sharing: 'a' } },
      { ips: ['10.89.0.201'] },
    ],
    ['not shared: one port twice', { sharing: 'a' }, { '10.89.0.200': { sharing: 'a' } }, { ips: ['10.89.0.201'] }],
    [
      'not shared: other pods behind a local policy',
      { sharing: 'a', port: 81, policy: 'Local' },
      { '10.89.0.200': { sharing: 'a' } },
      { ips: ['10.89.0.201'] },
    ],
  ];
  for (const [about, given, held, expected] of cases) {
    const others = (ip: string) => (held[ip] ? [service(held[ip])] : []);
    assert.deepEqual(assign(service(given), POOL, others), expected, about);
  }
});

test('only Services of our class, or of none, are ours', () => {
  const of = (spec: object) => isOurs({ ...service({}), spec: { ...service({}).spec, ...spec } } as Service);
  assert.equal(of({}), true);
  assert.equal(of({ loadBalancerClass: LOAD_BALANCER_CLASS }), true);
  assert.equal(of({ loadBalancerClass: 'example.com/other' }), false);
  assert.equal(of({ type: 'NodePort' }), false);
});
