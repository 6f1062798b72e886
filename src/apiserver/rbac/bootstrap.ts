import { isDeepStrictEqual } from 'node:util';
import { clusterRoles } from '../../api/kinds/clusterrole.ts';
import { clusterRoleBindings } from '../../api/kinds/clusterrolebinding.ts';
import { roles } from '../../api/kinds/role.ts';
import { roleBindings } from '../../api/kinds/rolebinding.ts';
import { type Resource, row } from '../../api/resource.ts';
import type { KubeObject } from '../../api/types.ts';
import { missingRules } from './coverage.ts';
import { controllerRoles, defaultClusterRoleBindings, defaultRoleBindings, defaultRoles } from './default-bindings.ts';
import { defaultClusterRoles } from './default-roles.ts';
import type { BindingDefinition, RoleDefinition } from './define.ts';
import type { PolicyRule } from './rules.ts';

const GROUP = 'rbac.authorization.k8s.io';
const AUTOUPDATE = 'rbac.authorization.kubernetes.io/autoupdate';

/** An object that every cluster has. */
export interface Wanted {
  readonly resource: Resource;
  readonly object: KubeObject;
  /** What an object that is there already becomes; the same when nothing is missing. */
  merge(existing: KubeObject): KubeObject;
}

type Role = KubeObject & { rules?: PolicyRule[]; aggregationRule?: object };
type Binding = KubeObject & { subjects?: object[] };

/** The roles and bindings of the bootstrap policy. */
export function wantedRbac(): Wanted[] {
  return [
    ...[...defaultClusterRoles, ...controllerRoles].map((role) => wantedRole(row(clusterRoles), role)),
    ...defaultClusterRoleBindings.map((binding) => wantedBinding(row(clusterRoleBindings), binding)),
    ...defaultRoles.map((role) => wantedRole(row(roles), role)),
    ...defaultRoleBindings.map((binding) => wantedBinding(row(roleBindings), binding)),
  ];
}

function wantedRole(resource: Resource, { aggregates, rules, ...definition }: RoleDefinition): Wanted {
  const selectors = aggregates ? [{ matchLabels: { [aggregates]: 'true' } }] : undefined;
  const object = {
    ...head(resource, definition),
    // An aggregated role's rules are its controller's.
    ...(selectors ? { aggregationRule: { clusterRoleSelectors: selectors } } : { rules }),
  } as Role;
  return {
    resource,
    object,
    merge: updating(object, (existing) => ({
      ...(existing as Role),
      ...(selectors
        ? { aggregationRule: (object as Role).aggregationRule }
        : { rules: [...((existing as Role).rules ?? []), ...missingRules((existing as Role).rules ?? [], rules)] }),
    })),
  };
}

function wantedBinding(resource: Resource, definition: BindingDefinition): Wanted {
  const { role, users = [], groups = [], serviceAccounts = [], ...rest } = definition;
  const kind = definition.namespace ? 'Role' : 'ClusterRole';
  const subjects = [
    ...users.map((name) => ({ kind: 'User', apiGroup: GROUP, name })),
    ...groups.map((name) => ({ kind: 'Group', apiGroup: GROUP, name })),
    ...serviceAccounts.map((account) => {
      const [namespace, name] = account.split('/');
      return { kind: 'ServiceAccount', name, namespace };
    }),
  ];
  const roleRef = { apiGroup: GROUP, kind, name: role };
  const object = { ...head(resource, rest), ...(subjects.length > 0 ? { subjects } : {}), roleRef } as Binding;
  return {
    resource,
    object,
    merge: updating(object, (existing) => {
      const there = (existing as Binding).subjects ?? [];
      const added = subjects.filter((subject) => !there.some((other) => isDeepStrictEqual(other, subject)));
      return added.length > 0 ? ({ ...existing, subjects: [...there, ...added] } as Binding) : existing;
    }),
  };
}

function head(resource: Resource, definition: Pick<RoleDefinition, 'name' | 'namespace' | 'labels'>): KubeObject {
  const { name, namespace, labels } = definition;
  return {
    apiVersion: `${GROUP}/v1`,
    kind: resource.kind,
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      annotations: { [AUTOUPDATE]: 'true' },
      labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
    },
  };
}

/** Adds labels and annotations, then what `change` adds; leaves alone what says that it wants no updates. */
function updating(wanted: KubeObject, change: (existing: KubeObject) => KubeObject): Wanted['merge'] {
  return (existing) => {
    if (existing.metadata.annotations?.[AUTOUPDATE] === 'false') return existing;
    const { labels, annotations } = existing.metadata;
    const metadata = {
      ...existing.metadata,
      labels: { ...wanted.metadata.labels, ...labels },
      annotations: { ...wanted.metadata.annotations, ...annotations },
    };
    return { ...change(existing), metadata };
  };
}
