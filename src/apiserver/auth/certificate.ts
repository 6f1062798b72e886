import { X509Certificate } from 'node:crypto';
import { readSubject } from '../../pki/certificate.ts';
import type { UserInfo } from '../request.ts';

/** Key purpose "TLS client authentication" (RFC 5280, section 4.2.1.12), as Node lists it in `keyUsage`. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

interface Verified {
  readonly user: UserInfo;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * Reads users from client certificates: CN is the user, each O a group. A certificate must be issued by one of the
 * authorities in `clientCaPem`, allow client authentication and be valid at `nowMs`; else undefined. The signature is
 * checked once per certificate object, which is once per connection.
 */
export function createCertificateReader(
  clientCaPem: string,
): (certificate: X509Certificate, nowMs: number) => UserInfo | undefined {
  const authorities = splitPem(clientCaPem).map((pem) => new X509Certificate(pem));
  const seen = new WeakMap<X509Certificate, Verified | 'refused'>();
  return (certificate, nowMs) => {
    const known = seen.get(certificate) ?? verify(certificate, authorities);
    seen.set(certificate, known);
    if (known === 'refused' || nowMs < known.notBeforeMs || nowMs > known.notAfterMs) return undefined;
    return known.user;
  };
}

function verify(certificate: X509Certificate, authorities: readonly X509Certificate[]): Verified | 'refused' {
  const trusted = authorities.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  if (!trusted || !certificate.keyUsage?.includes(CLIENT_AUTH)) return 'refused';
  const { commonName, organizations = [] } = readSubject(certificate.raw);
  if (commonName === '') return 'refused';
  return {
    user: { username: commonName, groups: organizations },
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  };
}

function splitPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
