import type { UserInfo } from '../request.ts';

/** Well-known users and groups (Kubernetes documentation, "Authenticating" and "Using RBAC"). */
export const ANONYMOUS_USER = 'system:anonymous';
export const AUTHENTICATED = 'system:authenticated';
export const UNAUTHENTICATED = 'system:unauthenticated';
export const MASTERS = 'system:masters';
export const NODES = 'system:nodes';
export const SERVICE_ACCOUNTS = 'system:serviceaccounts';

/** `iss` of service-account tokens, and the audience of a token that names none. */
export const ISSUER = 'https://kubernetes.default.svc.cluster.local';

export const anonymous: UserInfo = { username: ANONYMOUS_USER, groups: [UNAUTHENTICATED] };

const NODE_USER_PREFIX = 'system:node:';

export function serviceAccountUser(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

export function serviceAccountGroups(namespace: string): string[] {
  return [SERVICE_ACCOUNTS, `${SERVICE_ACCOUNTS}:${namespace}`];
}

/** Node that `user` is the agent of; undefined for anyone else. */
export function nodeOf(user: UserInfo): string | undefined {
  if (!user.groups.includes(NODES) || !user.username.startsWith(NODE_USER_PREFIX)) return undefined;
  return user.username.slice(NODE_USER_PREFIX.length);
}
