import { createdAtColumn, nameColumn } from '../columns.ts';
import { validateAggregation, validateRules } from '../rbac/validation.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { ClusterRole } from '../types.ts';

export const clusterRoles: Resource<ClusterRole> = {
  ...clusterKind,
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  singular: 'clusterrole',
  nameRule: 'path-segment',
  columns: [nameColumn, createdAtColumn],
  validate: (role) => [...validateRules(role.rules, { namespaced: false }), ...validateAggregation(role)],
};
