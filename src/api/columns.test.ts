import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { registry } from './registry.ts';
import { tableColumns, tableRow } from './table.ts';
import type { KubeObject } from './types.ts';

const FACTS = new URL('../../../shared/facts/printer-columns.json', import.meta.url);
const MISSING = existsSync(FACTS) ? false : 'the table of printer columns is not on this machine';

interface KindFacts {
  kind: string;
  group: string;
  columns: { name: string; type: string; priority: number }[];
}

test('columns are those of Kubernetes, in order, with their types and priorities', { skip: MISSING }, () => {
  const { kinds } = JSON.parse(readFileSync(FACTS, 'utf8')) as { kinds: KindFacts[] };
  for (const resource of registry) {
    const facts = kinds.find(({ kind, group }) => kind === resource.kind && group === resource.group);
    if (!facts) continue;
    const shown = tableColumns(resource).map(({ name, type, priority }) => ({ name, type, priority }));
    const wanted = facts.columns.map(({ name, type, priority }) => ({ name, type, priority }));
    assert.deepEqual(shown, wanted, resource.kind);
  }
});

const NOW = Date.parse('2026-01-01T01:00:00Z');
const META = { name: 'x', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' };

const template = { spec: { containers: [{ name: 'c', image: 'i' }] } };

const workload = { replicas: 3, template, selector: { matchLabels: { a: 'b' } } };
const nodePort = { port: 80, nodePort: 30080, protocol: 'TCP' };
const udp = { port: 53, protocol: 'UDP' };
const ready = { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 };
const subset = { addresses: [{ ip: '1.1.1.1' }, { ip: '::1' }], ports: [{ port: 80 }, { port: 81 }] };

/** Kind, what it has beside metadata, its cells. */
const ROWS: [string, object, (string | number)[]][] = [
  ['ConfigMap', { data: { a: '', b: '' }, binaryData: { c: '' } }, ['x', 3, '60m']],
  ['Secret', { type: 'Opaque', data: { a: '' } }, ['x', 'Opaque', 1, '60m']],
  ['Namespace', { status: { phase: 'Active' } }, ['x', 'Active', '60m']],
  ['Endpoints', { subsets: [subset] }, ['x', '1.1.1.1:80,[::1]:80,1.1.1.1:81 + 1 more...', '60m']],
  ['EndpointSlice', { addressType: 'IPv4', ports: [], endpoints: [] }, ['x', 'IPv4', '<unset>', '<unset>', '60m']],
  ['Deployment', { spec: workload, status: ready }, ['x', '1/3', 2, 1, '60m', 'c', 'i', 'a=b']],
  ['ReplicaSet', { spec: workload, status: { replicas: 2 } }, ['x', 3, 2, 0, '60m', 'c', 'i', 'a=b']],
];

const IP = '10.96.0.5';

/** Spec of a Service, cells between its name and its age. */
const SERVICES: [object, string[]][] = [
  [{ type: 'NodePort', clusterIPs: [IP], ports: [nodePort] }, ['NodePort', IP, '<none>', '80:30080/TCP']],
  [{ type: 'LoadBalancer', clusterIPs: [IP] }, ['LoadBalancer', IP, '<pending>', '<none>']],
  [{ type: 'ExternalName', externalName: 'a.b' }, ['ExternalName', '<none>', 'a.b', '<none>']],
  [{ type: 'ClusterIP', clusterIPs: ['None'], ports: [udp] }, ['ClusterIP', 'None', '<none>', '53/UDP']],
  [{ type: 'ClusterIP', clusterIPs: [IP], externalIPs: ['1.2.3.4'] }, ['ClusterIP', IP, '1.2.3.4', '<none>']],
];

test('cells of Services', () => {
  const resource = registry.find((row) => row.kind === 'Service')!;
  for (const [spec, cells] of SERVICES) {
    const object = { apiVersion: 'v1', kind: 'Service', metadata: META, spec } as KubeObject;
    const shown = tableRow(resource, object, { now: NOW, include: 'None' }).cells;
    assert.deepEqual(shown, ['x', ...cells, '60m', '<none>']);
  }
});

test('cells are what kubectl get shows', () => {
  for (const [kind, rest, cells] of ROWS) {
    const resource = registry.find((row) => row.kind === kind)!;
    const object = { apiVersion: 'v1', kind, metadata: META, ...rest } as KubeObject;
    assert.deepEqual(tableRow(resource, object, { now: NOW, include: 'None' }), { cells }, kind);
  }
});

test('rows carry as much of the object as was asked for', () => {
  const resource = registry.find((row) => row.kind === 'ConfigMap')!;
  const object: KubeObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: META };
  const partial = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: META };
  assert.deepEqual(tableRow(resource, object, { now: NOW, include: 'Metadata' }).object, partial);
  assert.equal(tableRow(resource, object, { now: NOW, include: 'Object' }).object, object);
});
