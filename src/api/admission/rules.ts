import { type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';

interface Rule {
  readonly operations?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly apiVersions?: readonly string[];
  readonly resources?: readonly string[];
  readonly scope?: string;
}

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const SCOPES = ['*', 'Cluster', 'Namespaced'];

/** `RuleWithOperations` of webhooks and policies. */
export function validateRules(rules: readonly Rule[] | undefined, path: string): FieldError[] {
  return (rules ?? []).flatMap((rule, index) => validateRule(rule, `${path}[${index}]`));
}

function validateRule(rule: Rule, path: string): FieldError[] {
  const lists = ['operations', 'apiGroups', 'apiVersions', 'resources'] as const;
  const missing = lists.filter((list) => !rule[list]?.length).map((list) => requiredValue(`${path}.${list}`));
  const unknown = (rule.operations ?? []).flatMap((operation, index) =>
    OPERATIONS.includes(operation) ? [] : [notSupported(`${path}.operations[${index}]`, operation, OPERATIONS)],
  );
  const mixed = lists.flatMap((list) => {
    const values = rule[list] ?? [];
    if (list === 'resources' || !values.includes('*') || values.length < 2) return [];
    return [invalidValue(`${path}.${list}`, values, "if '*' is present, must not specify other values")];
  });
  const scope = rule.scope === undefined || SCOPES.includes(rule.scope);
  return [...missing, ...unknown, ...mixed, ...(scope ? [] : [notSupported(`${path}.scope`, rule.scope, SCOPES)])];
}
