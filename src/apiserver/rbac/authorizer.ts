import type { Attributes } from '../auth/authorizer.ts';
import type { UserInfo } from '../request.ts';
import type { Grant, RoleIndex } from './role-index.ts';
import { type PolicyRule, ruleAllows } from './rules.ts';

/** What an authorizer makes of a request; a reason for a refusal is added to the answer's message. */
export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

/** Decides by the roles that are bound to a user and its groups. */
export function decideByRoles(index: RoleIndex, user: UserInfo, attributes: Attributes): Decision {
  const missing: string[] = [];
  for (const grant of index.grantsOf(user, namespaceOf(attributes))) {
    if (!grant.rules) missing.push(`${grant.roleRef.kind.toLowerCase()}.${RBAC} "${grant.roleRef.name}" not found`);
    // A RoleBinding says nothing about what is outside its namespace.
    if (grant.namespace !== '' && 'path' in attributes) continue;
    if (grant.rules?.some((rule) => ruleAllows(rule, attributes))) {
      return { allowed: true, reason: `RBAC: allowed by ${formatGrant(grant)}` };
    }
  }
  return { allowed: false, reason: missing.length === 0 ? '' : `RBAC: ${aggregate(missing)}` };
}

/** Every rule that a user has in `namespace`; those of the whole cluster when it is empty. */
export function rulesFor(index: RoleIndex, user: UserInfo, namespace: string): PolicyRule[] {
  return [...index.grantsOf(user, namespace)].flatMap(({ rules = [], namespace: scope }) =>
    scope === '' ? rules : rules.filter((rule) => !rule.nonResourceURLs?.length),
  );
}

const RBAC = 'rbac.authorization.k8s.io';

function namespaceOf(attributes: Attributes): string {
  return 'path' in attributes ? '' : (attributes.namespace ?? '');
}

function formatGrant({ namespace, binding, roleRef, subject }: Grant): string {
  const kind = namespace === '' ? 'ClusterRoleBinding' : 'RoleBinding';
  const name = namespace === '' ? binding : `${binding}/${namespace}`;
  const who = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace ?? namespace}` : subject.name;
  return `${kind} "${name}" of ${roleRef.kind} "${roleRef.name}" to ${subject.kind} "${who}"`;
}

/** `a`, or `[a, b]`: each text once. */
function aggregate(texts: readonly string[]): string {
  const unique = [...new Set(texts)];
  return unique.length === 1 ? unique[0]! : `[${unique.join(', ')}]`;
}
