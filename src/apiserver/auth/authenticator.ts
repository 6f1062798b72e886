import type { X509Certificate } from 'node:crypto';
import { ApiError } from '../../api/errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { UserInfo } from '../request.ts';
import { createCertificateReader } from './certificate.ts';
import type { Headers } from './impersonate.ts';
import { ANONYMOUS_USER, AUTHENTICATED, anonymous, serviceAccountGroups, serviceAccountUser } from './names.ts';
import type { Bound, KubernetesClaim, TokenIssuer, VerifiedToken } from './token.ts';

/** What a request brings to prove who sent it. */
export interface Credentials {
  /**
   * Client certificate of the connection (`TLSSocket.getPeerX509Certificate()`): the handshake has proven possession of
   * its key, nothing more. Pass the same object for all requests of a connection, so that it is verified once.
   */
  readonly peer?: X509Certificate | undefined;
  /** Without `peer`: the subject of a certificate that was verified already. */
  readonly certificate?: VerifiedSubject | undefined;
  /** `Authorization` header. */
  readonly authorization?: string | undefined;
  /** For `Sec-WebSocket-Protocol`, where browsers put a bearer token. */
  readonly headers?: Headers | undefined;
}

export interface VerifiedSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

/** An object by its uid, or undefined when it does not exist. */
export type LookupUid = (key: {
  resource: 'serviceaccounts' | 'pods' | 'secrets' | 'nodes';
  namespace: string | undefined;
  name: string;
}) => string | undefined | Promise<string | undefined>;

export interface AuthenticatorOptions {
  /** PEM of the authorities whose client certificates are believed. */
  clientCaPem: string;
  clock: Clock;
  /** Service-account tokens; refused when left out. */
  tokens?: { issuer: TokenIssuer; lookupUid: LookupUid };
  /** Bearer token → its user, as `--token-auth-file` has them. */
  staticTokens?: ReadonlyMap<string, UserInfo>;
  /** Default: true. */
  anonymous?: boolean;
}

export interface Authenticator {
  /** The user, with the group `system:authenticated`; throws Unauthorized for credentials that prove nothing. */
  authenticate(credentials: Credentials): Promise<UserInfo>;
  /** The user of a bearer token for any of `audiences` (TokenReview); undefined when it is not good for them. */
  reviewToken(token: string, audiences?: readonly string[]): Promise<TokenIdentity | undefined>;
}

export interface TokenIdentity {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

const WEBSOCKET_TOKEN = 'base64url.bearer.authorization.k8s.io.';

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const readCertificate = createCertificateReader(options.clientCaPem);
  const reviewToken = (token: string, audiences?: readonly string[]) => reviewBearer(options, token, audiences);
  return {
    reviewToken,
    async authenticate({ peer, certificate, authorization, headers }) {
      const fromCertificate = peer
        ? readCertificate(peer, options.clock.now())
        : certificate && subjectUser(certificate);
      if (fromCertificate) return withAuthenticated(fromCertificate);
      const token = bearerToken(authorization) ?? webSocketToken(headers?.['sec-websocket-protocol']?.join());
      const identity = token === undefined ? undefined : await reviewToken(token);
      if (identity) return identity.user;
      if (peer || certificate || token !== undefined || options.anonymous === false) throw unauthorized();
      return anonymous;
    },
  };
}

export function unauthorized(): ApiError {
  return new ApiError('Unauthorized', 'Unauthorized');
}

async function reviewBearer(
  options: AuthenticatorOptions,
  token: string,
  audiences?: readonly string[],
): Promise<TokenIdentity | undefined> {
  const user = options.staticTokens?.get(token);
  if (user) return { user: withAuthenticated(user), audiences: audiences ?? [] };
  const verified = await options.tokens?.issuer.verify(token);
  if (!options.tokens || !verified) return undefined;
  const wanted = audiences?.length ? audiences : options.tokens.issuer.audiences;
  const shared = wanted.filter((audience) => verified.audiences.includes(audience));
  if (shared.length === 0 || !(await allBoundExist(verified.claim, options.tokens.lookupUid))) return undefined;
  return { user: withAuthenticated(serviceAccount(verified)), audiences: shared };
}

/** The account and every object that the token is bound to are still those of then. */
async function allBoundExist(claim: KubernetesClaim, lookupUid: LookupUid): Promise<boolean> {
  const { namespace } = claim;
  const bound = [
    { resource: 'serviceaccounts', namespace, bound: claim.serviceaccount },
    { resource: 'pods', namespace, bound: claim.pod },
    { resource: 'secrets', namespace, bound: claim.secret },
  ] as const;
  for (const entry of bound) {
    if (!entry.bound) continue;
    const uid = await lookupUid({ ...entry, name: entry.bound.name });
    // A token that is kept in a Secret was signed before the Secret had a uid.
    const same = entry.bound.uid === '' ? uid !== undefined : uid === entry.bound.uid;
    if (!same) return false;
  }
  const { node, pod } = claim;
  if (!node || pod) return true;
  return (await lookupUid({ resource: 'nodes', namespace: undefined, name: node.name })) === node.uid;
}

function serviceAccount({ claim, id }: VerifiedToken): UserInfo {
  const extra = {
    ...(id ? { 'authentication.kubernetes.io/credential-id': [`JTI=${id}`] } : {}),
    ...boundExtra('node', claim.node),
    ...boundExtra('pod', claim.pod),
  };
  const { namespace, serviceaccount } = claim;
  return {
    username: serviceAccountUser(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: serviceAccountGroups(namespace),
    extra,
  };
}

function boundExtra(kind: string, bound: Bound | undefined): Record<string, string[]> {
  if (!bound) return {};
  const prefix = `authentication.kubernetes.io/${kind}`;
  return { [`${prefix}-name`]: [bound.name], [`${prefix}-uid`]: [bound.uid] };
}

function subjectUser({ commonName, organizations }: VerifiedSubject): UserInfo | undefined {
  return commonName === '' ? undefined : { username: commonName, groups: organizations };
}

function withAuthenticated(user: UserInfo): UserInfo {
  if (user.groups.includes(AUTHENTICATED) || user.username === ANONYMOUS_USER) return user;
  return { ...user, groups: [...user.groups, AUTHENTICATED] };
}

function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
}

function webSocketToken(protocols: string | undefined): string | undefined {
  const entry = (protocols ?? '').split(',').find((protocol) => protocol.trim().startsWith(WEBSOCKET_TOKEN));
  if (entry === undefined) return undefined;
  return Buffer.from(entry.trim().slice(WEBSOCKET_TOKEN.length), 'base64url').toString();
}
