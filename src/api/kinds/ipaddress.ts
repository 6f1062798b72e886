import { column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { IPAddress } from '../types.ts';

export const ipAddresses: Resource<IPAddress> = {
  ...clusterKind,
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  singular: 'ipaddress',
  shortNames: ['ip'],
  generation: true,
  columns: [nameColumn, column('ParentRef', parentText)],
};

function parentText({ spec }: IPAddress): string {
  const { parentRef } = spec ?? {};
  if (!parentRef) return '<none>';
  const resource = `${parentRef.resource}${parentRef.group ? `.${parentRef.group}` : ''}`.toLowerCase();
  return [resource, parentRef.namespace, parentRef.name].filter(Boolean).join('/');
}
