import { ageColumn, nameColumn } from '../columns.ts';
import { roleColumn, subjectColumns } from '../rbac/columns.ts';
import { validateBinding, validateBindingUpdate } from '../rbac/validation.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { RoleBinding } from '../types.ts';

export const roleBindings: Resource<RoleBinding> = {
  ...namespacedKind,
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  singular: 'rolebinding',
  nameRule: 'path-segment',
  columns: [nameColumn, roleColumn, ageColumn, ...subjectColumns],
  setDefaults(binding) {
    // What is left out is for validation to name.
    binding.roleRef ??= { apiGroup: '', kind: '' as never, name: '' };
    binding.roleRef.apiGroup ||= 'rbac.authorization.k8s.io';
    for (const subject of binding.subjects ?? []) {
      if (subject.kind !== 'ServiceAccount') subject.apiGroup ??= 'rbac.authorization.k8s.io';
    }
  },
  validate: (binding) => validateBinding(binding, ['Role', 'ClusterRole']),
  validateUpdate: validateBindingUpdate,
};
