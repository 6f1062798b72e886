import { badRequest } from '../../api/errors.ts';
import type { UserInfo } from '../request.ts';
import type { Authorizer, ResourceAttributes } from './authorizer.ts';
import { ANONYMOUS_USER, AUTHENTICATED, serviceAccountGroups, UNAUTHENTICATED } from './names.ts';

/** Header values by name in lower case, repeated ones apart (`IncomingMessage.headersDistinct`). */
export type Headers = Readonly<Record<string, readonly string[] | undefined>>;

interface Wanted {
  readonly username: string;
  readonly uid: string | undefined;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

const EXTRA_PREFIX = 'impersonate-extra-';
const EXTRA_GROUP = 'authentication.k8s.io';

/**
 * The user that `Impersonate-*` headers ask to be (`kubectl --as`), or `user` when there are none. Throws Forbidden unless
 * `user` may impersonate the name and each group, uid and extra; BadRequest when a group is asked for without a name.
 */
export function impersonate(authorizer: Authorizer, user: UserInfo, headers: Headers): UserInfo {
  const wanted = readHeaders(headers);
  if (!wanted) return user;
  for (const attributes of checksOf(wanted)) authorizer.authorize(user, { ...attributes, verb: 'impersonate' });
  const { username, uid, extra } = wanted;
  const becomes: UserInfo = {
    username,
    groups: groupsOf(wanted),
    ...(uid ? { uid } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  };
  impersonators.set(becomes, user);
  return becomes;
}

const impersonators = new WeakMap<UserInfo, UserInfo>();

/** Who asks in `user`'s name; undefined when it is the user alone. */
export function impersonatorOf(user: UserInfo): UserInfo | undefined {
  return impersonators.get(user);
}

function readHeaders(headers: Headers): Wanted | undefined {
  const username = headers['impersonate-user']?.[0] ?? '';
  const uid = headers['impersonate-uid']?.[0];
  const groups = headers['impersonate-group'] ?? [];
  const extra = Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith(EXTRA_PREFIX))
      .map(([name, values]) => [decodeKey(name.slice(EXTRA_PREFIX.length)), values ?? []]),
  );
  if (username !== '') return { username, uid, groups, extra };
  if (uid === undefined && groups.length === 0 && Object.keys(extra).length === 0) return undefined;
  throw badRequest('requested impersonation of a group, uid or extra without impersonating a user');
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

function checksOf({ username, uid, groups, extra }: Wanted): Omit<ResourceAttributes, 'verb'>[] {
  const extras = Object.entries(extra).flatMap(([subresource, values]) =>
    values.map((name) => ({ group: EXTRA_GROUP, resource: 'userextras', subresource, name })),
  );
  return [
    subjectOf(username),
    ...groups.map((name) => ({ group: '', resource: 'groups', name })),
    ...(uid ? [{ group: EXTRA_GROUP, resource: 'uids', name: uid }] : []),
    ...extras,
  ];
}

function subjectOf(username: string): Omit<ResourceAttributes, 'verb'> {
  const [namespace, name] = serviceAccountOf(username);
  if (namespace === undefined || name === undefined) return { group: '', resource: 'users', name: username };
  return { group: '', resource: 'serviceaccounts', namespace, name };
}

function groupsOf({ username, groups }: Wanted): string[] {
  if (username === ANONYMOUS_USER) return [...new Set([...groups, UNAUTHENTICATED])];
  const [namespace] = serviceAccountOf(username);
  const own = groups.length === 0 && namespace !== undefined ? serviceAccountGroups(namespace) : groups;
  return [...new Set([...own, AUTHENTICATED])];
}

/** Namespace and name of a service account's user name; empty for other users. */
function serviceAccountOf(username: string): string[] {
  return /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username)?.slice(1) ?? [];
}
