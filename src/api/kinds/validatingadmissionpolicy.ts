import { validatePolicy } from '../admission/policy-validation.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { ValidatingAdmissionPolicy } from '../types.ts';

export const validatingAdmissionPolicies: Resource<ValidatingAdmissionPolicy> = {
  ...clusterKind,
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  singular: 'validatingadmissionpolicy',
  categories: ['api-extensions'],
  status: true,
  generation: true,
  columns: [
    nameColumn,
    column('Validations', ({ spec }) => spec?.validations?.length ?? 0, 'integer'),
    column('ParamKind', ({ spec }) =>
      spec?.paramKind ? `${spec.paramKind.apiVersion}/${spec.paramKind.kind}` : '<unset>',
    ),
    ageColumn,
  ],
  setDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    if (!spec.matchConstraints) return;
    spec.matchConstraints.matchPolicy ??= 'Equivalent';
    spec.matchConstraints.namespaceSelector ??= {};
    spec.matchConstraints.objectSelector ??= {};
    for (const rule of spec.matchConstraints.resourceRules ?? []) rule.scope ??= '*';
  },
  prepareForCreate(policy) {
    policy.status = {};
  },
  validate: validatePolicy,
};
