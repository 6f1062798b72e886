import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../../api/errors.ts';
import { forbidden } from '../../api/field-error.ts';
import type { KubeObject } from '../../api/types.ts';
import type { Admission, AdmissionContext } from '../admission.ts';
import type { Authorizer } from '../auth/authorizer.ts';
import { MASTERS } from '../auth/names.ts';
import type { UserInfo } from '../request.ts';
import { rulesFor } from './authorizer.ts';
import { missingRules } from './coverage.ts';
import type { RoleIndex, RoleRef } from './role-index.ts';
import { formatRule, type PolicyRule, quotedList } from './rules.ts';

const GROUP = 'rbac.authorization.k8s.io';

export interface EscalationOptions {
  index: RoleIndex;
  authorizer: Authorizer;
}

type Role = KubeObject & { rules?: PolicyRule[]; aggregationRule?: unknown };
type Binding = KubeObject & { roleRef: RoleRef };

/** Nobody hands on what he does not have, unless he may `escalate` a role or `bind` it. */
export function createEscalationChecks(options: EscalationOptions): Admission<KubeObject>[] {
  const roles = ['roles', 'clusterroles'].map((plural): Admission<Role> => {
    const check = (role: Role, { user }: AdmissionContext) => checkRole(options, { role, plural, user });
    return {
      resource: { group: GROUP, plural },
      create: check,
      update(role, old, context) {
        if (!isDeepStrictEqual(contentOf(role), contentOf(old))) check(role, context);
      },
    };
  });
  const bindings = ['rolebindings', 'clusterrolebindings'].map((plural): Admission<Binding> => {
    const check = (binding: Binding, { user }: AdmissionContext) => checkBinding(options, { binding, plural, user });
    return {
      resource: { group: GROUP, plural },
      create: check,
      update(binding, old, context) {
        if (!isDeepStrictEqual(contentOf(binding), contentOf(old))) check(binding, context);
      },
    };
  });
  return [...roles, ...bindings] as Admission<KubeObject>[];
}

function contentOf({ metadata: _, ...content }: KubeObject): object {
  return content;
}

const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

function checkRole(options: EscalationOptions, at: { role: Role; plural: string; user: UserInfo }): void {
  const { role, plural, user } = at;
  if (user.groups.includes(MASTERS)) return;
  const { name, namespace = '' } = role.metadata;
  const attributes = { verb: 'escalate', group: GROUP, resource: plural, namespace, name };
  if (options.authorizer.allows(user, attributes)) return;
  confirmHeld(options, { user, namespace, rules: role.rules ?? [], plural, name });
  if (!role.aggregationRule) return;
  try {
    confirmHeld(options, { user, namespace: '', rules: EVERYTHING, plural, name });
  } catch {
    const field = forbidden('aggregationRule', 'must have cluster-admin privileges to use the aggregationRule');
    throw refused({ plural, name }, `${field.field}: ${field.message}`);
  }
}

function checkBinding(options: EscalationOptions, at: { binding: Binding; plural: string; user: UserInfo }): void {
  const { binding, plural, user } = at;
  if (user.groups.includes(MASTERS)) return;
  const { name, namespace = '' } = binding.metadata;
  const { kind, name: role } = binding.roleRef;
  const resource = kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (options.authorizer.allows(user, { verb: 'bind', group: GROUP, resource, namespace, name: role })) return;
  const rules = options.index.rulesOf(binding.roleRef, namespace);
  if (!rules) throw new ApiError('NotFound', `${resource}.${GROUP} "${role}" not found`);
  confirmHeld(options, { user, namespace, rules, plural, name });
}

interface Handing {
  readonly user: UserInfo;
  readonly namespace: string;
  readonly rules: readonly PolicyRule[];
  readonly plural: string;
  readonly name: string;
}

function confirmHeld({ index }: EscalationOptions, { user, namespace, rules, plural, name }: Handing): void {
  const missing = missingRules(rulesFor(index, user, namespace), rules);
  if (missing.length === 0) return;
  const who = `user ${JSON.stringify(user.username)} (groups=${quotedList(user.groups)})`;
  const lines = missing.map(formatRule).sort().join('\n');
  throw refused({ plural, name }, `${who} is attempting to grant RBAC permissions not currently held:\n${lines}`);
}

function refused({ plural, name }: { plural: string; name: string }, why: string): ApiError {
  return new ApiError('Forbidden', `${plural}.${GROUP} ${JSON.stringify(name)} is forbidden: ${why}`, {
    name,
    group: GROUP,
    kind: plural,
  });
}
