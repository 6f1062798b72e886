import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { CertificationRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  Extensions,
  id_ce_subjectAltName,
  id_kp_clientAuth,
  id_kp_codeSigning,
  id_kp_emailProtection,
  id_kp_OCSPSigning,
  id_kp_serverAuth,
  id_kp_timeStamping,
  KeyUsageFlags,
  type Name,
  SubjectAlternativeName,
} from '@peculiar/asn1-x509';
import type { Authority } from './authority.ts';
import * as certificate from './certificate.ts';

/** What a PKCS #10 request (RFC 2986) asks for; its signature has been checked. */
export interface SigningRequest extends Required<certificate.Subject> {
  readonly name: Name;
  readonly publicKey: KeyObject;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

/** Hash by the object identifier of the signature's algorithm; undefined for Ed25519, which has its own. */
const HASHES: ReadonlyMap<string, string | undefined> = new Map([
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.3.101.112', undefined],
]);

/** Reads a request in PEM. Throws when it is malformed, or not signed with the key that it names. */
export function readSigningRequest(text: string): SigningRequest {
  const der = decodePem(text);
  const request = AsnConvert.parse(arrayOf(der), CertificationRequest);
  const { certificationRequestInfo: info, certificationRequestInfoRaw: raw, signatureAlgorithm, signature } = request;
  const spki = Buffer.from(AsnConvert.serialize(info.subjectPKInfo));
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  if (!HASHES.has(signatureAlgorithm.algorithm)) throw new Error('unsupported signature algorithm');
  const hash = HASHES.get(signatureAlgorithm.algorithm);
  const signed = Buffer.from(raw ?? AsnConvert.serialize(info));
  if (!verify(hash, signed, publicKey, Buffer.from(signature))) throw new Error('invalid signature');
  return { name: info.subject, ...certificate.readName(info.subject), publicKey, ...alternativeNames(request) };
}

export interface IssueFromRequest {
  /** In the words of `certificates.k8s.io`: `digital signature`, `client auth`. */
  readonly usages: readonly string[];
  readonly validityMs: number;
}

/** The certificate that a request asks for, in PEM, signed by `authority`; it never outlives the authority. */
export function issueFromRequest(
  authority: Authority,
  request: SigningRequest,
  { usages, validityMs }: IssueFromRequest,
): string {
  const now = authority.clock.now();
  const lastMs = new X509Certificate(authority.certPem).validToDate.getTime();
  return certificate.signCertificate(
    {
      subject: request.name,
      issuer: authority.subject,
      notBeforeMs: now - CLOCK_SKEW_MS,
      notAfterMs: Math.min(now + validityMs, lastMs),
      publicKey: request.publicKey,
      extensions: [
        certificate.leafConstraints(),
        ...usageExtensions(usages),
        certificate.subjectKeyIdentifier(keyIdentifier(request.publicKey)),
        certificate.authorityKeyIdentifier(authority.keyIdentifier),
        ...(hasNames(request) ? [certificate.alternativeNames(request)] : []),
      ],
    },
    authority.key,
  );
}

/** Reads and signs requests for whoever holds no key. */
export function createRequestSigner(authority: Authority) {
  return {
    read: readSigningRequest,
    sign: (text: string, options: IssueFromRequest) => issueFromRequest(authority, readSigningRequest(text), options),
  };
}

const CLOCK_SKEW_MS = 5 * 60 * 1000;

const KEY_USAGES: Readonly<Record<string, number>> = {
  signing: KeyUsageFlags.digitalSignature,
  'digital signature': KeyUsageFlags.digitalSignature,
  'content commitment': KeyUsageFlags.nonRepudiation,
  'key encipherment': KeyUsageFlags.keyEncipherment,
  'key agreement': KeyUsageFlags.keyAgreement,
  'data encipherment': KeyUsageFlags.dataEncipherment,
  'cert sign': KeyUsageFlags.keyCertSign,
  'crl sign': KeyUsageFlags.cRLSign,
  'encipher only': KeyUsageFlags.encipherOnly,
  'decipher only': KeyUsageFlags.decipherOnly,
};

const EXTENDED_USAGES: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': id_kp_serverAuth,
  'client auth': id_kp_clientAuth,
  'code signing': id_kp_codeSigning,
  'email protection': id_kp_emailProtection,
  's/mime': id_kp_emailProtection,
  timestamping: id_kp_timeStamping,
  'ocsp signing': id_kp_OCSPSigning,
};

function usageExtensions(usages: readonly string[]) {
  const flags = usages.reduce((sum, usage) => sum | (KEY_USAGES[usage] ?? 0), 0);
  const purposes = [...new Set(usages.flatMap((usage) => EXTENDED_USAGES[usage] ?? []))];
  return [
    ...(flags === 0 ? [] : [certificate.keyUsage(flags)]),
    ...(purposes.length === 0 ? [] : [certificate.extendedKeyUsage(purposes)]),
  ];
}

type Names = Pick<SigningRequest, 'dnsNames' | 'ipAddresses' | 'emailAddresses' | 'uris'>;

function hasNames({ dnsNames, ipAddresses, emailAddresses, uris }: Names): boolean {
  return dnsNames.length + ipAddresses.length + emailAddresses.length + uris.length > 0;
}

function alternativeNames({ certificationRequestInfo }: CertificationRequest): Names {
  const attributes = Array.from(certificationRequestInfo.attributes ?? []);
  const requested = attributes.find(({ type }) => type === EXTENSION_REQUEST)?.values[0];
  const extensions = requested ? Array.from(AsnConvert.parse(requested, Extensions)) : [];
  const extension = extensions.find(({ extnID }) => extnID === id_ce_subjectAltName);
  const names = extension ? Array.from(AsnConvert.parse(extension.extnValue.buffer, SubjectAlternativeName)) : [];
  return {
    dnsNames: names.flatMap(({ dNSName }) => dNSName ?? []),
    ipAddresses: names.flatMap(({ iPAddress }) => iPAddress ?? []),
    emailAddresses: names.flatMap(({ rfc822Name }) => rfc822Name ?? []),
    uris: names.flatMap(({ uniformResourceIdentifier }) => uniformResourceIdentifier ?? []),
  };
}

function decodePem(text: string): Buffer {
  const found = /-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----/.exec(text);
  if (found?.[1] !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST');
  return Buffer.from(found[2]!, 'base64');
}

/** SHA-1 of the subjectPublicKey bits (RFC 5280, section 4.2.1.2, method 1). */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  return createHash('sha1').update(certificate.publicKeyBits(publicKey)).digest();
}

function arrayOf(source: Uint8Array): ArrayBuffer {
  return new Uint8Array(source).buffer;
}
