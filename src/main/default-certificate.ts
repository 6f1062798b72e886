import type { Clock } from '../lib/clock.ts';
import { createAuthority, issueCertificate } from '../pki/authority.ts';

/** Certificate and key, PEM, for clients whose name has none: nobody's, and signed by an authority that nobody keeps. */
export function makeDefaultCertificate(clock: Clock): string {
  const authority = createAuthority({ commonName: 'Sampan Ingress', clock });
  const { certPem, keyPem } = issueCertificate(authority, {
    commonName: 'sampan-ingress-default-certificate',
    dnsNames: ['ingress.local'],
    usage: 'server',
  });
  return `${certPem.trim()}\n${keyPem}`;
}
