import { validatingAdmissionPolicies } from '../../api/kinds/validatingadmissionpolicy.ts';
import { validatingAdmissionPolicyBindings } from '../../api/kinds/validatingadmissionpolicybinding.ts';
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../api/types.ts';
import type { Store } from '../../store/store.ts';
import { keyPrefix, objectOf } from '../objects.ts';
import type { MatchResources, OperationRule } from '../webhook/match.ts';

/** A policy with all that binds it. */
export interface BoundPolicy {
  readonly policy: ValidatingAdmissionPolicy;
  readonly bindings: readonly ValidatingAdmissionPolicyBinding[];
}

/** Policies with a binding, in order of their names. */
export interface PolicySource {
  current(): readonly BoundPolicy[];
}

export function followPolicies(store: Store): PolicySource {
  const list = (resource: { group: string; plural: string }) => store.list(keyPrefix(resource)).items.map(objectOf);
  const read = () => {
    const bindings = list(validatingAdmissionPolicyBindings) as ValidatingAdmissionPolicyBinding[];
    const policies = list(validatingAdmissionPolicies) as ValidatingAdmissionPolicy[];
    const bound = policies.map((policy) => ({
      policy,
      bindings: bindings.filter(({ spec }) => spec?.policyName === policy.metadata.name),
    }));
    return bound.filter(({ bindings }) => bindings.length > 0);
  };
  let current = read();
  for (const resource of [validatingAdmissionPolicies, validatingAdmissionPolicyBindings]) {
    store.watch(keyPrefix(resource), 0, () => {
      current = read();
    });
  }
  return { current: () => current };
}

type MatchObject = NonNullable<NonNullable<ValidatingAdmissionPolicy['spec']>['matchConstraints']>;

/** `spec.matchConstraints` of a policy, `spec.matchResources` of a binding; undefined: everything. */
export function matchOf(match: MatchObject | undefined): MatchResources | undefined {
  if (!match) return undefined;
  const { resourceRules, excludeResourceRules, matchPolicy, namespaceSelector, objectSelector } = match;
  return {
    rules: (resourceRules ?? [EVERYTHING]) as readonly OperationRule[],
    excludeRules: (excludeResourceRules ?? []) as readonly OperationRule[],
    matchPolicy: matchPolicy ?? 'Equivalent',
    ...(namespaceSelector ? { namespaceSelector: namespaceSelector as object } : {}),
    ...(objectSelector ? { objectSelector: objectSelector as object } : {}),
  };
}

/** A binding may narrow by selectors alone. */
const EVERYTHING: OperationRule = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*', '*'] };
