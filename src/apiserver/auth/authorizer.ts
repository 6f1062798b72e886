import { ApiError, qualifiedResource } from '../../api/errors.ts';
import type { UserInfo } from '../request.ts';
import { nodeOf } from './names.ts';
import { defaultBindings, type PolicyRule, type RuleBinding } from './rules.ts';

/** A request for objects: `verb` is get, list, watch, create, update, patch, delete or deletecollection. */
export interface ResourceAttributes {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

/** A request for anything else: `verb` is the HTTP method in lower case. */
export interface PathAttributes {
  readonly verb: string;
  readonly path: string;
}

export type Attributes = ResourceAttributes | PathAttributes;

export interface AuthorizerOptions {
  /** Default: {@link defaultBindings}. */
  bindings?: readonly RuleBinding[];
}

export interface Authorizer {
  allows(user: UserInfo, attributes: Attributes): boolean;
  /** Throws Forbidden, in Kubernetes' words, unless {@link allows}. */
  authorize(user: UserInfo, attributes: Attributes): void;
  /** Every rule of a user that concerns `namespace` (SelfSubjectRulesReview). */
  rulesOf(user: UserInfo, namespace: string): PolicyRule[];
}

export function createAuthorizer(options: AuthorizerOptions = {}): Authorizer {
  const bindings = options.bindings ?? defaultBindings;
  const rulesOf = (user: UserInfo) =>
    bindings.filter((binding) => concerns(binding, user)).flatMap(({ rules }) => rules);
  const allows = (user: UserInfo, attributes: Attributes) =>
    rulesOf(user).some((rule) => covers(rule, attributes, nodeOf(user)));
  return {
    allows,
    authorize(user, attributes) {
      if (!allows(user, attributes)) throw forbidden(user, attributes);
    },
    rulesOf: (user, namespace) =>
      rulesOf(user)
        .filter((rule) => rule.namespace === undefined || rule.namespace === namespace)
        .map((rule) => ownNamesSpelled(rule, nodeOf(user))),
  };
}

/** 403 as the API server words it. */
export function forbidden(user: UserInfo, attributes: Attributes): ApiError {
  const message = `User ${quoted(user.username)} cannot ${attributes.verb} ${target(attributes)}`;
  if ('path' in attributes) return new ApiError('Forbidden', `forbidden: ${message}`);
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

function concerns(binding: RuleBinding, user: UserInfo): boolean {
  if (binding.users?.includes(user.username)) return true;
  return binding.groups?.some((group) => user.groups.includes(group)) ?? false;
}

function covers(rule: PolicyRule, attributes: Attributes, node: string | undefined): boolean {
  if (!has(rule.verbs, attributes.verb)) return false;
  if ('path' in attributes)
    return rule.nonResourceURLs?.some((pattern) => matchesPath(pattern, attributes.path)) ?? false;
  const { group, namespace, name } = attributes;
  return (
    has(rule.apiGroups, group) &&
    matchesResource(rule, attributes) &&
    (rule.namespace === undefined || rule.namespace === namespace) &&
    (rule.resourceNames === undefined || rule.resourceNames.includes(name ?? '')) &&
    (!rule.ownNode || (node !== undefined && name === node))
  );
}

function matchesResource(rule: PolicyRule, { resource, subresource }: ResourceAttributes): boolean {
  if (has(rule.resources, subresource ? `${resource}/${subresource}` : resource)) return true;
  return Boolean(subresource) && (rule.resources?.includes(`*/${subresource}`) ?? false);
}

function matchesPath(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path;
}

function has(values: readonly string[] | undefined, value: string): boolean {
  return values?.some((entry) => entry === '*' || entry === value) ?? false;
}

function ownNamesSpelled(rule: PolicyRule, node: string | undefined): PolicyRule {
  const { ownNode, namespace: _, ...plain } = rule;
  return ownNode ? { ...plain, resourceNames: [node ?? ''] } : plain;
}
