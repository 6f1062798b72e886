import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { Attributes, CertificationRequest, CertificationRequestInfo } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier, Attribute, Extensions, SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import * as certificate from './certificate.ts';

export interface RequestOptions extends certificate.Subject {
  dnsNames?: readonly string[];
  /** Default: a new P-256 key. */
  keys?: { privateKey: KeyObject; publicKey: KeyObject };
  /** Signs in place of the request's own key. */
  signer?: KeyObject;
}

/** A PKCS #10 request in PEM. */
export function createSigningRequest(options: RequestOptions): string {
  const { privateKey, publicKey } = options.keys ?? generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const isRsa = publicKey.asymmetricKeyType === 'rsa';
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })).buffer;
  const extensions = options.dnsNames ? [certificate.subjectAlternativeName(options.dnsNames, [])] : [];
  const requested = AsnConvert.serialize(new Extensions(extensions));
  const info = new CertificationRequestInfo({
    version: 0,
    subject: certificate.distinguishedName(options),
    subjectPKInfo: AsnConvert.parse(spki, SubjectPublicKeyInfo),
    attributes: new Attributes(
      extensions.length > 0 ? [new Attribute({ type: '1.2.840.113549.1.9.14', values: [requested] })] : [],
    ),
  });
  const signature = sign('sha256', Buffer.from(AsnConvert.serialize(info)), options.signer ?? privateKey);
  const request = new CertificationRequest({
    certificationRequestInfo: info,
    signatureAlgorithm: new AlgorithmIdentifier({
      algorithm: isRsa ? '1.2.840.113549.1.1.11' : '1.2.840.10045.4.3.2',
    }),
    signature: new Uint8Array(signature).buffer,
  });
  return certificate.pem('CERTIFICATE REQUEST', Buffer.from(AsnConvert.serialize(request)));
}
