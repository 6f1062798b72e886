import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import { id_kp_clientAuth, id_kp_serverAuth, KeyUsageFlags, type Name } from '@peculiar/asn1-x509';
import type { Clock } from '../lib/clock.ts';
import * as certificate from './certificate.ts';

/** A certificate and its key, both PEM (key: PKCS #8). */
export interface KeyPair {
  readonly certPem: string;
  readonly keyPem: string;
}

/** A certificate authority that can sign. */
export interface Authority extends KeyPair {
  readonly clock: Clock;
  readonly subject: Name;
  readonly key: KeyObject;
  readonly keyIdentifier: Uint8Array;
}

export interface AuthorityOptions {
  commonName: string;
  clock: Clock;
  /** Default: ten years. */
  validityMs?: number;
}

export interface CertificateOptions extends certificate.Subject {
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
  usage: 'server' | 'client' | 'both';
  /** Default: one year. */
  validityMs?: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const AUTHORITY_VALIDITY_MS = 3650 * DAY_MS;
const LEAF_VALIDITY_MS = 365 * DAY_MS;
/** Certificates begin a little in the past, for machines whose clocks differ. */
const CLOCK_SKEW_MS = 5 * 60 * 1000;

const PURPOSES = {
  server: [id_kp_serverAuth],
  client: [id_kp_clientAuth],
  both: [id_kp_serverAuth, id_kp_clientAuth],
} as const;

/** A new self-signed root with an ECDSA P-256 key. */
export function createAuthority(options: AuthorityOptions): Authority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = certificate.distinguishedName({ commonName: options.commonName });
  const now = options.clock.now();
  const identifier = keyIdentifier(publicKey);
  const certPem = certificate.signCertificate(
    {
      subject,
      issuer: subject,
      notBeforeMs: now - CLOCK_SKEW_MS,
      notAfterMs: now + (options.validityMs ?? AUTHORITY_VALIDITY_MS),
      publicKey,
      extensions: [
        certificate.authorityConstraints(),
        certificate.keyUsage(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign),
        certificate.subjectKeyIdentifier(identifier),
      ],
    },
    privateKey,
  );
  return {
    certPem,
    keyPem: privatePem(privateKey),
    clock: options.clock,
    subject,
    key: privateKey,
    keyIdentifier: identifier,
  };
}

/** The authority of files that {@link createAuthority} made earlier. Throws when they are malformed or do not belong together. */
export function loadAuthority(pair: KeyPair, clock: Clock): Authority {
  const parsed = new X509Certificate(pair.certPem);
  const key = createPrivateKey(pair.keyPem);
  if (!parsed.ca) throw new Error(`load authority: the certificate of ${parsed.subject} is not an authority's`);
  if (!parsed.checkPrivateKey(key)) throw new Error(`load authority: the key does not belong to ${parsed.subject}`);
  return {
    certPem: pair.certPem,
    keyPem: pair.keyPem,
    clock,
    subject: certificate.subjectOf(parsed.raw),
    key,
    keyIdentifier: keyIdentifier(parsed.publicKey),
  };
}

/** A certificate with a new ECDSA P-256 key, signed by `authority`; it never outlives the authority. */
export function issueCertificate(authority: Authority, options: CertificateOptions): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = authority.clock.now();
  const lastMs = new X509Certificate(authority.certPem).validToDate.getTime();
  const certPem = certificate.signCertificate(
    {
      subject: certificate.distinguishedName(options),
      issuer: authority.subject,
      notBeforeMs: now - CLOCK_SKEW_MS,
      notAfterMs: Math.min(now + (options.validityMs ?? LEAF_VALIDITY_MS), lastMs),
      publicKey,
      extensions: leafExtensions(authority, publicKey, options),
    },
    authority.key,
  );
  return { certPem, keyPem: privatePem(privateKey) };
}

/** A new ECDSA P-256 key for signing tokens (ES256): PKCS #8 and SPKI PEM. */
export function createSigningKey(): { keyPem: string; publicPem: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyPem = privatePem(privateKey);
  return { keyPem, publicPem: publicPem(keyPem) };
}

/** The public half (SPKI PEM) of a private key. */
export function publicPem(keyPem: string): string {
  return createPublicKey(keyPem).export({ type: 'spki', format: 'pem' }).toString();
}

function leafExtensions(authority: Authority, publicKey: KeyObject, options: CertificateOptions) {
  const names = options.dnsNames ?? [];
  const addresses = options.ipAddresses ?? [];
  const alternative = names.length + addresses.length > 0 ? [certificate.subjectAlternativeName(names, addresses)] : [];
  return [
    certificate.leafConstraints(),
    certificate.keyUsage(KeyUsageFlags.digitalSignature),
    certificate.extendedKeyUsage(PURPOSES[options.usage]),
    certificate.subjectKeyIdentifier(keyIdentifier(publicKey)),
    certificate.authorityKeyIdentifier(authority.keyIdentifier),
    ...alternative,
  ];
}

/** SHA-1 of the public point (RFC 5280, section 4.2.1.2, method 1): the last 65 octets of a P-256 SPKI. */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha1').update(spki.subarray(-65)).digest();
}

function privatePem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
