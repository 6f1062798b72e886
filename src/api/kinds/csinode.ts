import { ageColumn, column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { CSINode } from '../types.ts';

export const csiNodes: Resource<CSINode> = {
  ...clusterKind,
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  singular: 'csinode',
  columns: [nameColumn, column('Drivers', ({ spec }) => spec.drivers.length, 'integer'), ageColumn],
};
