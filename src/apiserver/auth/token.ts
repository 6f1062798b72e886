import { createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import {
  calculateJwkThumbprint,
  decodeProtectedHeader,
  exportJWK,
  type JWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose';
import type { Clock } from '../../lib/clock.ts';
import { ISSUER, serviceAccountUser } from './names.ts';

/** An object that a token is bound to: it stops working when the object is gone. */
export interface Bound {
  readonly name: string;
  readonly uid: string;
}

/** `kubernetes.io` claim of a service-account token (KEP-1205 bound service account tokens). */
export interface KubernetesClaim {
  readonly namespace: string;
  readonly serviceaccount: Bound;
  readonly pod?: Bound;
  readonly secret?: Bound;
  readonly node?: Bound;
}

/** A token whose signature, issuer and time are right. */
export interface VerifiedToken {
  readonly id: string | undefined;
  readonly audiences: readonly string[];
  readonly claim: KubernetesClaim;
  readonly notBeforeMs: number;
  readonly expiresMs: number;
}

export interface TokenIssuerOptions {
  /** PKCS #8 PEM; P-256 keys sign ES256, RSA keys RS256. */
  signingKeyPem: string;
  clock: Clock;
  issuer?: string;
  /** Audiences of a token that asks for none. */
  audiences?: readonly string[];
  /** Public keys (PEM) of earlier signing keys, whose tokens are still good. */
  formerKeys?: readonly string[];
}

export interface IssueOptions {
  claim: KubernetesClaim;
  /** Seconds. */
  expirationSeconds: number;
  audiences?: readonly string[];
}

export interface IssuedToken {
  readonly token: string;
  readonly audiences: readonly string[];
  readonly expiresMs: number;
}

/** Signs and checks service-account tokens with one set of keys. */
export interface TokenIssuer {
  readonly issuer: string;
  readonly audiences: readonly string[];
  issue(options: IssueOptions): Promise<IssuedToken>;
  /** A token without an end, for a Secret: good as long as that Secret and the account are there. */
  issueLegacy(claim: KubernetesClaim): Promise<string>;
  /** Undefined when the token is not one of this issuer's, is malformed, forged, expired or not yet valid. */
  verify(token: string): Promise<VerifiedToken | undefined>;
  /** Public keys as JWKS (RFC 7517). */
  jwks(): Promise<{ keys: JWK[] }>;
}

interface PublicKey {
  readonly key: KeyObject;
  readonly jwk: JWK;
}

/** Tokens whose signature was found good lately; more than any cluster's active clients, and bounded. */
const MAX_VERIFIED = 2048;

export function createTokenIssuer(options: TokenIssuerOptions): TokenIssuer {
  const issuer = options.issuer ?? ISSUER;
  const audiences = options.audiences ?? [issuer];
  const signingKey = createPrivateKey(options.signingKeyPem);
  const keys = [
    createPublicKey(options.signingKeyPem),
    ...(options.formerKeys ?? []).map((pem) => createPublicKey(pem)),
  ];
  const published = Promise.all(keys.map(publish));
  const verified = new Map<string, VerifiedToken>();
  const now = () => options.clock.now();
  return {
    issuer,
    audiences,
    issueLegacy: async (claim) => issueLegacy(claim, signingKey, (await published)[0]!.jwk),
    issue: async (request) => {
      const [current] = await published;
      return issueToken({ request, issuer, audiences, signingKey, jwk: current?.jwk ?? {}, nowMs: now() });
    },
    async verify(token) {
      const known = verified.get(token) ?? (await verifySignature(token, { issuer, audiences }, await published));
      if (!known || now() >= known.expiresMs || now() < known.notBeforeMs) return undefined;
      remember(verified, token, known);
      return known;
    },
    jwks: async () => ({ keys: (await published).map(({ jwk }) => jwk) }),
  };
}

interface Issuing {
  request: IssueOptions;
  issuer: string;
  audiences: readonly string[];
  signingKey: KeyObject;
  jwk: JWK;
  nowMs: number;
}

async function issueToken({ request, issuer, signingKey, jwk, nowMs, ...defaults }: Issuing): Promise<IssuedToken> {
  const { claim, expirationSeconds } = request;
  const audiences = request.audiences?.length ? request.audiences : defaults.audiences;
  const issuedAt = Math.floor(nowMs / 1000);
  const token = await new SignJWT({ 'kubernetes.io': claim })
    .setProtectedHeader({ alg: jwk.alg ?? 'ES256', kid: jwk.kid ?? '' })
    .setIssuer(issuer)
    .setAudience([...audiences])
    .setSubject(serviceAccountUser(claim.namespace, claim.serviceaccount.name))
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(issuedAt + expirationSeconds)
    .setJti(randomUUID())
    .sign(signingKey);
  return { token, audiences, expiresMs: (issuedAt + expirationSeconds) * 1000 };
}

async function publish(key: KeyObject): Promise<PublicKey> {
  const jwk = await exportJWK(key);
  const alg = key.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256';
  return { key, jwk: { use: 'sig', kty: jwk.kty, kid: await calculateJwkThumbprint(jwk), alg, ...jwk } };
}

/** Time is compared by the caller, on each use; here only the form and the signature. */
async function verifySignature(
  token: string,
  { issuer, audiences }: { issuer: string; audiences: readonly string[] },
  keys: readonly PublicKey[],
): Promise<VerifiedToken | undefined> {
  try {
    const { kid } = decodeProtectedHeader(token);
    const key = keys.find(({ jwk }) => jwk.kid === kid);
    if (!key?.jwk.alg) return undefined;
    const unlimited = { currentDate: new Date(0), clockTolerance: Number.MAX_SAFE_INTEGER };
    const { payload } = await jwtVerify(token, key.key, {
      issuer: [issuer, LEGACY_ISSUER],
      algorithms: [key.jwk.alg],
      ...unlimited,
    });
    return payload.iss === LEGACY_ISSUER ? readLegacy(payload, audiences) : readPayload(payload);
  } catch {
    return undefined;
  }
}

function readPayload(payload: JWTPayload): VerifiedToken | undefined {
  const claim = readClaim(payload['kubernetes.io']);
  const { exp, nbf, aud, jti, sub } = payload;
  if (!claim || exp === undefined || nbf === undefined || aud === undefined) return undefined;
  if (sub !== serviceAccountUser(claim.namespace, claim.serviceaccount.name)) return undefined;
  return { id: jti, audiences: [aud].flat(), claim, notBeforeMs: nbf * 1000, expiresMs: exp * 1000 };
}

const LEGACY_ISSUER = 'kubernetes/serviceaccount';
const LEGACY_CLAIM = 'kubernetes.io/serviceaccount';

function issueLegacy({ namespace, serviceaccount, secret }: KubernetesClaim, key: KeyObject, jwk: JWK) {
  const claims = {
    [`${LEGACY_CLAIM}/namespace`]: namespace,
    [`${LEGACY_CLAIM}/secret.name`]: secret?.name,
    [`${LEGACY_CLAIM}/service-account.name`]: serviceaccount.name,
    [`${LEGACY_CLAIM}/service-account.uid`]: serviceaccount.uid,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: jwk.alg ?? 'ES256', kid: jwk.kid ?? '' })
    .setIssuer(LEGACY_ISSUER)
    .setSubject(serviceAccountUser(namespace, serviceaccount.name))
    .sign(key);
}

function readLegacy(payload: JWTPayload, audiences: readonly string[]): VerifiedToken | undefined {
  const text = (name: string) => String(payload[`${LEGACY_CLAIM}/${name}`] ?? '');
  const namespace = text('namespace');
  const serviceaccount = { name: text('service-account.name'), uid: text('service-account.uid') };
  if (payload.sub !== serviceAccountUser(namespace, serviceaccount.name)) return undefined;
  const claim = { namespace, serviceaccount, secret: { name: text('secret.name'), uid: '' } };
  return { id: undefined, audiences, claim, notBeforeMs: 0, expiresMs: Number.POSITIVE_INFINITY };
}

function readClaim(value: unknown): KubernetesClaim | undefined {
  const claim = value as Partial<KubernetesClaim> | undefined;
  if (typeof claim?.namespace !== 'string' || typeof claim.serviceaccount?.name !== 'string') return undefined;
  return typeof claim.serviceaccount.uid === 'string' ? (claim as KubernetesClaim) : undefined;
}

function remember(verified: Map<string, VerifiedToken>, token: string, entry: VerifiedToken): void {
  verified.delete(token);
  verified.set(token, entry);
  const [oldest] = verified.keys();
  if (verified.size > MAX_VERIFIED && oldest !== undefined) verified.delete(oldest);
}
