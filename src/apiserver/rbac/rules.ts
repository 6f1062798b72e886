import type { Attributes, ResourceAttributes } from '../auth/authorizer.ts';

/** `rbac.authorization.k8s.io/v1 PolicyRule`. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  /** `pods`, `pods/log`, `*`, or `*`+`/scale`. */
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

/** Whether `rule` allows a request. */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false;
  if ('path' in attributes) {
    return rule.nonResourceURLs?.some((pattern) => matchesPath(pattern, attributes.path)) ?? false;
  }
  return (
    has(rule.apiGroups, attributes.group) && matchesResource(rule, attributes) && matchesName(rule, attributes.name)
  );
}

/** A path, or with `*` at its end all that begin so. */
export function matchesPath(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path;
}

function matchesResource(rule: PolicyRule, { resource, subresource }: ResourceAttributes): boolean {
  if (has(rule.resources, subresource ? `${resource}/${subresource}` : resource)) return true;
  return Boolean(subresource) && (rule.resources?.includes(`*/${subresource}`) ?? false);
}

function matchesName({ resourceNames }: PolicyRule, name: string | undefined): boolean {
  return !resourceNames?.length || resourceNames.includes(name ?? '');
}

function has(values: readonly string[] | undefined, value: string): boolean {
  return values?.some((entry) => entry === '*' || entry === value) ?? false;
}

/** `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`, as messages show a rule. */
export function formatRule(rule: PolicyRule): string {
  const parts: [string, readonly string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ];
  const shown = parts.filter(([, values]) => values?.length).map(([name, values]) => `${name}:${quotedList(values!)}`);
  return `{${shown.join(', ')}}`;
}

/** `["a" "b"]`, as Go prints lists of quoted texts. */
export function quotedList(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}
