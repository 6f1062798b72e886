import { ageColumn, column, nameColumn, wide } from '../columns.ts';
import type { Resource } from '../resource.ts';
import type { Node } from '../types.ts';

export const nodes: Resource<Node> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  categories: [],
  namespaced: false,
  status: true,
  generation: false,
  fieldSelectors: { 'spec.unschedulable': (node) => String(node.spec?.unschedulable ?? false) },
  columns: [
    nameColumn,
    column('Status', statusText),
    column('Roles', roles),
    ageColumn,
    column('Version', (node) => node.status?.nodeInfo?.kubeletVersion ?? ''),
    wide('Internal-IP', (node) => addressOf(node, 'InternalIP')),
    wide('External-IP', (node) => addressOf(node, 'ExternalIP')),
    wide('OS-Image', (node) => node.status?.nodeInfo?.osImage || '<unknown>'),
    wide('Kernel-Version', (node) => node.status?.nodeInfo?.kernelVersion || '<unknown>'),
    wide('Container-Runtime', (node) => node.status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
};

function statusText(node: Node): string {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  const text = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return node.spec?.unschedulable ? `${text},SchedulingDisabled` : text;
}

const ROLE_PREFIX = 'node-role.kubernetes.io/';

function roles(node: Node): string {
  const labels = node.metadata.labels ?? {};
  const prefixed = Object.keys(labels).filter((key) => key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length);
  const names = new Set(prefixed.map((key) => key.slice(ROLE_PREFIX.length)));
  if (labels['kubernetes.io/role']) names.add(labels['kubernetes.io/role']);
  return [...names].sort().join(',') || '<none>';
}

function addressOf(node: Node, type: string): string {
  return node.status?.addresses?.find((address) => address.type === type)?.address ?? '<none>';
}
