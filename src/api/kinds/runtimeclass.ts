import { ageColumn, column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { RuntimeClass } from '../types.ts';

export const runtimeClasses: Resource<RuntimeClass> = {
  ...clusterKind,
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  singular: 'runtimeclass',
  columns: [nameColumn, column('Handler', (runtimeClass) => runtimeClass.handler), ageColumn],
};
