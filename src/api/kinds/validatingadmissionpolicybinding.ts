import { validatePolicyBinding } from '../admission/policy-validation.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import { formatLabelSelector } from '../selectors.ts';
import type { ValidatingAdmissionPolicyBinding } from '../types.ts';

export const validatingAdmissionPolicyBindings: Resource<ValidatingAdmissionPolicyBinding> = {
  ...clusterKind,
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  singular: 'validatingadmissionpolicybinding',
  categories: ['api-extensions'],
  generation: true,
  columns: [
    nameColumn,
    column('PolicyName', ({ spec }) => spec?.policyName ?? ''),
    column('ParamRef', paramText),
    ageColumn,
  ],
  validate: validatePolicyBinding,
};

function paramText({ spec }: ValidatingAdmissionPolicyBinding): string {
  const { paramRef } = spec ?? {};
  if (!paramRef) return '<unset>';
  return paramRef.name ? `${paramRef.namespace || '*'}/${paramRef.name}` : formatLabelSelector(paramRef.selector);
}
