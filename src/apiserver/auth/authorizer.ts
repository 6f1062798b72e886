import { ApiError, qualifiedResource } from '../../api/errors.ts';
import { type Decision, decideByRoles, rulesFor } from '../rbac/authorizer.ts';
import type { RoleIndex } from '../rbac/role-index.ts';
import type { PolicyRule } from '../rbac/rules.ts';
import type { UserInfo } from '../request.ts';
import { MASTERS, nodeOf } from './names.ts';
import { decideForNode } from './node-authorizer.ts';
import type { NodeGraph } from './node-graph.ts';

/** A request for objects: `verb` is get, list, watch, create, update, patch, delete or deletecollection. */
export interface ResourceAttributes {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  /** Of a list or watch, as it stood in the query. */
  readonly fieldSelector?: string | undefined;
}

/** A request for anything else: `verb` is the HTTP method in lower case. */
export interface PathAttributes {
  readonly verb: string;
  readonly path: string;
}

export type Attributes = ResourceAttributes | PathAttributes;

export interface AuthorizerOptions {
  roles: RoleIndex;
  nodes: NodeGraph;
}

export interface UserRules {
  readonly rules: readonly PolicyRule[];
  /** Why there may be more; empty when these are all. */
  readonly incomplete: string;
}

export interface Authorizer {
  decide(user: UserInfo, attributes: Attributes): Decision;
  allows(user: UserInfo, attributes: Attributes): boolean;
  /** Throws Forbidden, in Kubernetes' words, unless {@link allows}. */
  authorize(user: UserInfo, attributes: Attributes): void;
  /** Every rule of a user that concerns `namespace` (SelfSubjectRulesReview). */
  rulesOf(user: UserInfo, namespace: string): UserRules;
}

/** `system:masters` may do everything; nodes what the Node authorizer says; all others, and they, what roles say. */
export function createAuthorizer({ roles, nodes }: AuthorizerOptions): Authorizer {
  const decide = (user: UserInfo, attributes: Attributes): Decision => {
    if (user.groups.includes(MASTERS)) return { allowed: true, reason: '' };
    const node = nodeOf(user);
    const asNode = node === undefined ? undefined : decideForNode(nodes, node, attributes);
    if (asNode?.allowed) return asNode;
    const byRoles = decideByRoles(roles, user, attributes);
    if (byRoles.allowed || !asNode) return byRoles;
    return { allowed: false, reason: [asNode.reason, byRoles.reason].filter(Boolean).join(', ') };
  };
  return {
    decide,
    allows: (user, attributes) => decide(user, attributes).allowed,
    authorize(user, attributes) {
      const { allowed, reason } = decide(user, attributes);
      if (!allowed) throw forbidden(user, attributes, reason);
    },
    rulesOf: (user, namespace) => ({
      rules: rulesFor(roles, user, namespace),
      incomplete: nodeOf(user) === undefined ? '' : 'node authorizer does not support user rule resolution',
    }),
  };
}

/** 403 as the API server words it. */
export function forbidden(user: UserInfo, attributes: Attributes, reason = ''): ApiError {
  const refusal = `User ${quoted(user.username)} cannot ${attributes.verb} ${target(attributes)}`;
  const message = reason === '' ? refusal : `${refusal}: ${reason}`;
  if ('path' in attributes) return new ApiError('Forbidden', `forbidden: ${message}`, {});
  const { group, resource, name } = attributes;
  const what = qualifiedResource({ group, plural: resource });
  const subject = name ? `${what} ${quoted(name)}` : what;
  const details = { name: name || undefined, group: group || undefined, kind: resource };
  return new ApiError('Forbidden', `${subject} is forbidden: ${message}`, details);
}

function target(attributes: Attributes): string {
  if ('path' in attributes) return `path ${quoted(attributes.path)}`;
  const { group, resource, subresource, namespace } = attributes;
  const what = subresource ? `${resource}/${subresource}` : resource;
  const scope = namespace ? `in the namespace ${quoted(namespace)}` : 'at the cluster scope';
  return `resource ${quoted(what)} in API group ${quoted(group)} ${scope}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
