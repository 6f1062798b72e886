import { parseCidr, parseIp } from '../lib/ip.ts';
import { encodePath } from './paths.ts';
import type { BackendProfile, CookieAffinity, Protocol, Redirect } from './types.ts';

/** Prefixes of the options' names, the first found counts. */
const PREFIXES = ['ingress.sampan.dev/', 'nginx.ingress.kubernetes.io/'];

/** What the annotations of an Ingress (over the defaults of its class) ask for. */
export interface IngressOptions {
  readonly profile: BackendProfile;
  readonly protocol?: Protocol;
  readonly toHttps: 'with-tls' | 'always' | 'never';
  readonly rewriteTarget?: string;
  readonly appRoot?: string;
  readonly redirect?: Redirect;
  readonly readTimeoutMs?: number;
  readonly bodyBytesMax?: number;
  /** Sentences about annotations that do not count. */
  readonly invalid: readonly string[];
  readonly unsupported: readonly string[];
  /** Set when serving without what was asked for would open what should be closed. */
  readonly refused?: string;
}

type Raw = Readonly<Record<string, string>>;

/** Options that are read below. */
const KNOWN = new Set([
  'affinity',
  'affinity-mode',
  'session-cookie-name',
  'session-cookie-path',
  'session-cookie-max-age',
  'session-cookie-expires',
  'session-cookie-samesite',
  'session-cookie-secure',
  'load-balance',
  'upstream-hash-by',
  'backend-protocol',
  'proxy-connect-timeout',
  'proxy-read-timeout',
  'proxy-send-timeout',
  'proxy-body-size',
  'rewrite-target',
  'use-regex',
  'app-root',
  'ssl-redirect',
  'force-ssl-redirect',
  'permanent-redirect',
  'permanent-redirect-code',
  'temporal-redirect',
  'whitelist-source-range',
  'allowlist-source-range',
  'upstream-vhost',
  'service-upstream',
]);

/** Options that keep clients out: an Ingress that asks for one which is not there is not served at all. */
const GUARDS = /^(auth-|enable-global-auth|satisfy|denylist-source-range|enable-modsecurity|modsecurity-|limit-)/;

/** Reads what is asked for. Never throws: what is wrong is told and left out. */
export function readOptions(annotations: Raw | undefined, defaults: Raw = {}): IngressOptions {
  const raw = { ...defaults, ...ownAnnotations(annotations ?? {}) };
  const invalid: string[] = [];
  const read = <T>(name: string, parse: (text: string) => T): T | undefined => {
    if (raw[name] === undefined) return undefined;
    try {
      return parse(raw[name]);
    } catch (error) {
      invalid.push(`${name}: ${(error as Error).message}, actual: ${JSON.stringify(raw[name].slice(0, 100))}`);
      return undefined;
    }
  };
  const unknown = Object.keys(raw).filter((name) => !KNOWN.has(name));
  const guards = unknown.filter((name) => GUARDS.test(name));
  const allow = readAllow(raw, read);
  if (allow === 'wrong') guards.push('whitelist-source-range');
  return {
    profile: readProfile(raw, { read, allow: allow === 'wrong' ? undefined : allow }),
    protocol: read('backend-protocol', protocol),
    toHttps: readToHttps(read),
    rewriteTarget: raw['rewrite-target'],
    appRoot: read('app-root', absolutePath),
    redirect: readRedirect(read),
    readTimeoutMs: read('proxy-read-timeout', seconds) ?? read('proxy-send-timeout', seconds),
    bodyBytesMax: read('proxy-body-size', bytes) || undefined,
    invalid,
    unsupported: unknown.filter((name) => !GUARDS.test(name)),
    refused: guards.length > 0 ? guards.join(', ') : undefined,
  };
}

function ownAnnotations(annotations: Raw): Record<string, string> {
  const found: Record<string, string> = {};
  for (const prefix of PREFIXES.toReversed()) {
    for (const [key, value] of Object.entries(annotations))
      if (key.startsWith(prefix)) found[key.slice(prefix.length)] = value.trim();
  }
  return found;
}

type Read = <T>(name: string, parse: (text: string) => T) => T | undefined;

function readProfile(raw: Raw, { read, allow }: { read: Read; allow: readonly string[] | undefined }): BackendProfile {
  const cookie = raw['affinity'] === undefined ? undefined : readCookie(read);
  const connectTimeoutMs = read('proxy-connect-timeout', seconds);
  const host = read('upstream-vhost', hostName);
  return {
    balance: read('load-balance', balance) ?? (read('upstream-hash-by', hashBy) ? 'source' : 'roundrobin'),
    ...(cookie && { cookie }),
    ...(connectTimeoutMs && { connectTimeoutMs }),
    ...(allow && { allow }),
    ...(host && { host }),
  };
}

function readCookie(read: Read): CookieAffinity | undefined {
  if (!read('affinity', (text) => oneOf(text, ['cookie']))) return undefined;
  const maxAgeSeconds = read('session-cookie-max-age', count) ?? read('session-cookie-expires', count);
  const sameSite = read('session-cookie-samesite', (text) => oneOf(text, ['Strict', 'Lax', 'None'] as const));
  return {
    name: read('session-cookie-name', cookieName) ?? 'INGRESSCOOKIE',
    path: read('session-cookie-path', cookiePath) ?? '/',
    secure: read('session-cookie-secure', boolean) ?? false,
    ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
    ...(sameSite && { sameSite }),
  };
}

function readAllow(raw: Raw, read: Read): readonly string[] | undefined | 'wrong' {
  const name = ['allowlist-source-range', 'whitelist-source-range'].find((key) => raw[key] !== undefined);
  if (!name) return undefined;
  return read(name, cidrs) ?? 'wrong';
}

function readToHttps(read: Read): IngressOptions['toHttps'] {
  if (read('force-ssl-redirect', boolean)) return 'always';
  return read('ssl-redirect', boolean) === false ? 'never' : 'with-tls';
}

function readRedirect(read: Read): Redirect | undefined {
  const temporal = read('temporal-redirect', url);
  if (temporal) return { status: 302, location: temporal };
  const permanent = read('permanent-redirect', url);
  return permanent
    ? { status: read('permanent-redirect-code', redirectStatus) ?? 301, location: permanent }
    : undefined;
}

function oneOf<T extends string>(text: string, values: readonly T[]): T {
  const found = values.find((value) => value === text);
  if (!found) throw new Error(`expected ${values.map((value) => JSON.stringify(value)).join(' or ')}`);
  return found;
}

function boolean(text: string): boolean {
  return oneOf(text, ['true', 'false']) === 'true';
}

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error('expected a number');
  return Number(text);
}

const DAY_SECONDS = 86_400;

/** Milliseconds of `60` or `60s`. */
function seconds(text: string): number {
  const value = Number(/^(\d{1,6})s?$/.exec(text)?.[1] ?? 0);
  if (value < 1 || value > DAY_SECONDS) throw new Error(`expected 1 to ${DAY_SECONDS} seconds`);
  return value * 1000;
}

const SIZES: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Bytes of `8m`; 0 means no limit. */
function bytes(text: string): number {
  const [, digits, unit] = /^(\d{1,9})([kmg]?)$/i.exec(text) ?? [];
  if (digits === undefined) throw new Error('expected a size such as 8m');
  return Number(digits) * SIZES[unit!.toLowerCase()]!;
}

function balance(text: string): BackendProfile['balance'] {
  const known = { round_robin: 'roundrobin', least_conn: 'leastconn', ewma: 'leastconn', ip_hash: 'source' } as const;
  return known[oneOf(text, Object.keys(known) as (keyof typeof known)[])];
}

function hashBy(text: string): true {
  oneOf(text, ['$remote_addr', '$binary_remote_addr']);
  return true;
}

function protocol(text: string): Protocol {
  const known = { HTTP: 'http', HTTPS: 'https', GRPC: 'h2c', GRPCS: 'h2', H2C: 'h2c' } as const;
  return known[oneOf(text.toUpperCase(), Object.keys(known) as (keyof typeof known)[])];
}

function cookieName(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) throw new Error('expected at most 64 letters, digits, "-" and "_"');
  return text;
}

function cookiePath(text: string): string {
  if (!/^\/[A-Za-z0-9/._~-]{0,200}$/.test(text))
    throw new Error('expected an absolute path of letters, digits and "/._~-"');
  return text;
}

function hostName(text: string): string {
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text)) throw new Error('expected a host name');
  return text;
}

const CIDRS_MAX = 100;

function cidrs(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  const parsed = parts.map((part) => parseCidr(part) ?? parseIp(part));
  if (parts.length > CIDRS_MAX || parsed.some((range) => !range)) throw new Error(`expected up to ${CIDRS_MAX} CIDRs`);
  return parts.sort();
}

function absolutePath(text: string): string {
  if (!text.startsWith('/') || text.startsWith('//')) throw new Error('expected an absolute path');
  return encodePath(text);
}

/** Only what may stand in a header and in a map's line. */
function url(text: string): string {
  if (!/^https?:\/\/[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]{1,1000}$/.test(text))
    throw new Error('expected an http or https URL');
  return text;
}

function redirectStatus(text: string): Redirect['status'] {
  return Number(oneOf(text, ['301', '302', '303', '307', '308'])) as Redirect['status'];
}
