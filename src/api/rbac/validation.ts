import { isDeepStrictEqual } from 'node:util';
import { type FieldError, forbidden, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { checkName } from '../names.ts';
import { RBAC_GROUP } from './group.ts';

interface Rule {
  readonly verbs?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly apiGroup?: string;
}

interface Binding {
  readonly roleRef: { readonly apiGroup?: string; readonly kind: string; readonly name: string };
  readonly subjects?: readonly Subject[];
}

interface Aggregated {
  readonly aggregationRule?: { readonly clusterRoleSelectors?: readonly object[] };
}

/** Rules of a Role (`namespaced`) or ClusterRole. */
export function validateRules(rules: readonly Rule[] | undefined, options: { namespaced: boolean }): FieldError[] {
  return (rules ?? []).flatMap((rule, index) => validateRule(rule, `rules[${index}]`, options));
}

function validateRule(rule: Rule, path: string, { namespaced }: { namespaced: boolean }): FieldError[] {
  const errors: FieldError[] = [];
  if (!rule.verbs?.length) errors.push(requiredValue(`${path}.verbs`, 'verbs must contain at least one value'));
  if (rule.nonResourceURLs?.length) {
    const field = `${path}.nonResourceURLs`;
    if (namespaced) {
      errors.push(invalidValue(field, rule.nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'));
    }
    if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length) {
      const detail = 'rules cannot apply to both regular resources and non-resource URLs';
      errors.push(invalidValue(field, rule.nonResourceURLs, detail));
    }
    return errors;
  }
  if (!rule.apiGroups?.length) {
    errors.push(requiredValue(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
  }
  if (!rule.resources?.length) {
    errors.push(requiredValue(`${path}.resources`, 'resource rules must supply at least one resource'));
  }
  return errors;
}

export function validateAggregation({ aggregationRule }: Aggregated): FieldError[] {
  if (!aggregationRule || aggregationRule.clusterRoleSelectors?.length) return [];
  const detail = 'at least one clusterRoleSelector required if aggregationRule is non-nil';
  return [requiredValue('aggregationRule.clusterRoleSelectors', detail)];
}

/** `kinds`: what a binding of this kind may refer to. */
export function validateBinding({ roleRef, subjects }: Binding, kinds: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  if (roleRef.apiGroup !== RBAC_GROUP) errors.push(notSupported('roleRef.apiGroup', roleRef.apiGroup, [RBAC_GROUP]));
  if (!kinds.includes(roleRef.kind)) errors.push(notSupported('roleRef.kind', roleRef.kind, kinds));
  if (!roleRef.name) errors.push(requiredValue('roleRef.name'));
  for (const text of checkName(roleRef.name ?? '', 'path-segment')) {
    errors.push(invalidValue('roleRef.name', roleRef.name, text));
  }
  const scoped = kinds.includes('Role');
  return [...errors, ...(subjects ?? []).flatMap((subject, index) => validateSubject(subject, { index, scoped }))];
}

function validateSubject(subject: Subject, { index, scoped }: { index: number; scoped: boolean }): FieldError[] {
  const path = `subjects[${index}]`;
  const errors = subject.name ? [] : [requiredValue(`${path}.name`)];
  if (subject.kind === 'ServiceAccount') return [...errors, ...validateAccount(subject, { path, scoped })];
  if (subject.kind !== 'User' && subject.kind !== 'Group') {
    return [...errors, notSupported(`${path}.kind`, subject.kind, ['ServiceAccount', 'User', 'Group'])];
  }
  if (subject.apiGroup !== RBAC_GROUP) errors.push(notSupported(`${path}.apiGroup`, subject.apiGroup, [RBAC_GROUP]));
  if (subject.namespace) errors.push(forbidden(`${path}.namespace`, 'may not be specified for users and groups'));
  return errors;
}

function validateAccount(subject: Subject, { path, scoped }: { path: string; scoped: boolean }): FieldError[] {
  const texts = subject.name ? checkName(subject.name, 'dns1123-subdomain') : [];
  const errors = texts.map((text) => invalidValue(`${path}.name`, subject.name, text));
  if (subject.apiGroup) errors.push(notSupported(`${path}.apiGroup`, subject.apiGroup, ['']));
  if (!subject.namespace && !scoped) errors.push(requiredValue(`${path}.namespace`));
  return errors;
}

export function validateBindingUpdate({ roleRef }: Binding, old: Binding): FieldError[] {
  if (isDeepStrictEqual(roleRef, old.roleRef)) return [];
  return [invalidValue('roleRef', roleRef, 'cannot change roleRef')];
}
