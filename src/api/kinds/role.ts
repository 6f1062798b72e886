import { createdAtColumn, nameColumn } from '../columns.ts';
import { validateRules } from '../rbac/validation.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { Role } from '../types.ts';

export const roles: Resource<Role> = {
  ...namespacedKind,
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'Role',
  plural: 'roles',
  singular: 'role',
  nameRule: 'path-segment',
  columns: [nameColumn, createdAtColumn],
  validate: ({ rules }) => validateRules(rules, { namespaced: true }),
};
