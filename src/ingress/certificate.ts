import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Secret } from '../api/types.ts';

/** A certificate chain with its key, fit to be served. */
export interface KeyPair {
  /** Chain, then key. */
  readonly pem: string;
  /** Host names that the certificate itself names. */
  readonly names: readonly string[];
  /** True when the certificate is meant for this host name. */
  covers(host: string): boolean;
}

/** Keeps one Secret from filling what the proxy can be told at once. */
const PEM_BYTES_MAX = 100_000;
const HOST = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** Reads `tls.crt` and `tls.key`. Throws a sentence that says what is wrong, without any of the content. */
export function readKeyPair(secret: Secret): KeyPair {
  const certificate = decode(secret, 'tls.crt');
  const key = parseKey(decode(secret, 'tls.key'));
  const chain = (certificate.match(BLOCK) ?? []).map(parseCertificate);
  const [leaf] = chain;
  if (!leaf) throw new Error('tls.crt holds no certificate');
  if (!leaf.checkPrivateKey(key)) throw new Error('tls.key is not the key of the certificate in tls.crt');
  const keyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return {
    pem: `${chain.map((one) => one.toString().trim()).join('\n')}\n${keyPem}`,
    names: namesOf(leaf),
    covers: (host) => coversHost(leaf, host),
  };
}

function decode(secret: Secret, name: string): string {
  const data = secret.data?.[name];
  if (!data) throw new Error(`it has no ${name}`);
  if (data.length > PEM_BYTES_MAX) throw new Error(`${name} is too long`);
  return Buffer.from(data, 'base64').toString();
}

function parseKey(pem: string) {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new Error('tls.key is not a private key in PEM');
  }
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new Error('tls.crt holds a certificate that cannot be read');
  }
}

/** By subject alternative names, or by the common name where there are none, as old instructions make certificates. */
function coversHost(leaf: X509Certificate, host: string): boolean {
  const name = host.startsWith('*.') ? `x${host.slice(1)}` : host;
  return leaf.checkHost(name, { subject: 'default' }) !== undefined;
}

function namesOf(leaf: X509Certificate): string[] {
  const alternatives = [...(leaf.subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name]) => name!);
  const common = /^CN=(\S+)$/m.exec(leaf.subject)?.[1];
  const names = alternatives.length > 0 ? alternatives : common ? [common] : [];
  return [...new Set(names.map((name) => name.toLowerCase()).filter((name) => HOST.test(name)))];
}
