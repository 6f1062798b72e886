import { type KeyObject, randomBytes, sign } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  KeyIdentifier,
  KeyUsage,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Time,
  Validity,
} from '@peculiar/asn1-x509';

/** Distinguished names as Kubernetes reads them: CN is the user, each O a group. */
export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}

/** The parts of an X.509 v3 certificate (RFC 5280, section 4.1) that this room sets. */
export interface CertificateParts {
  readonly subject: Name;
  readonly issuer: Name;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Extension[];
}

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';
/** From 2050 on a date no longer fits UTCTime (RFC 5280, section 4.1.2.5). */
const GENERALIZED_TIME_FROM_MS = Date.UTC(2050, 0, 1);

/** Signs with an EC key; the answer is PEM. */
export function signCertificate(parts: CertificateParts, issuerKey: KeyObject): string {
  const algorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const tbsCertificate = new TBSCertificate({
    version: 2,
    serialNumber: serialNumber(),
    signature: algorithm,
    issuer: parts.issuer,
    validity: validity(parts.notBeforeMs, parts.notAfterMs),
    subject: parts.subject,
    subjectPublicKeyInfo: publicKeyInfo(parts.publicKey),
    extensions: new Extensions([...parts.extensions]),
  });
  const signatureValue = bytes(sign('sha256', Buffer.from(AsnConvert.serialize(tbsCertificate)), issuerKey));
  const certificate = new Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue });
  return pem('CERTIFICATE', Buffer.from(AsnConvert.serialize(certificate)));
}

export function distinguishedName(subject: Subject): Name {
  const organizations = (subject.organizations ?? []).map((value) => relativeName(ORGANIZATION, value));
  return new Name([...organizations, relativeName(COMMON_NAME, subject.commonName)]);
}

/** Subject of a DER certificate, byte for byte what its children must name as issuer. */
export function subjectOf(der: Uint8Array): Name {
  return AsnConvert.parse(bytes(der), Certificate).tbsCertificate.subject;
}

/** CN and Os of a DER certificate, read from its ASN.1: no text form whose separators a name could contain. */
export function readSubject(der: Uint8Array): Required<Subject> {
  return readName(subjectOf(der));
}

/** CN and Os of a distinguished name. */
export function readName(name: Name): Required<Subject> {
  const attributes = Array.from(name, (relative) => Array.from(relative)).flat();
  const valuesOf = (type: string) => attributes.filter((entry) => entry.type === type).map((entry) => `${entry.value}`);
  return { commonName: valuesOf(COMMON_NAME).at(-1) ?? '', organizations: valuesOf(ORGANIZATION) };
}

/** `cA: true` with no path limit, as a root has. */
export function authorityConstraints(): Extension {
  return extension(id_ce_basicConstraints, new BasicConstraints({ cA: true }), true);
}

export function leafConstraints(): Extension {
  return extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true);
}

/** `flags`: sum of `KeyUsageFlags`. */
export function keyUsage(flags: number): Extension {
  return extension(id_ce_keyUsage, new KeyUsage(flags), true);
}

/** `purposes`: object identifiers of key purposes. */
export function extendedKeyUsage(purposes: readonly string[]): Extension {
  return extension(id_ce_extKeyUsage, new ExtendedKeyUsage([...purposes]));
}

export function subjectKeyIdentifier(identifier: Uint8Array): Extension {
  return extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(bytes(identifier)));
}

export function authorityKeyIdentifier(identifier: Uint8Array): Extension {
  const keyIdentifier = new KeyIdentifier(bytes(identifier));
  return extension(id_ce_authorityKeyIdentifier, new AuthorityKeyIdentifier({ keyIdentifier }));
}

export function subjectAlternativeName(dnsNames: readonly string[], ipAddresses: readonly string[]): Extension {
  const names = dnsNames.map((dNSName) => new GeneralName({ dNSName }));
  const addresses = ipAddresses.map((iPAddress) => new GeneralName({ iPAddress }));
  return extension(id_ce_subjectAltName, new SubjectAlternativeName([...names, ...addresses]));
}

/** Names of all kinds that Kubernetes knows. */
export function alternativeNames(names: {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
}): Extension {
  const all = [
    ...names.dnsNames.map((dNSName) => new GeneralName({ dNSName })),
    ...names.ipAddresses.map((iPAddress) => new GeneralName({ iPAddress })),
    ...names.emailAddresses.map((rfc822Name) => new GeneralName({ rfc822Name })),
    ...names.uris.map((uniformResourceIdentifier) => new GeneralName({ uniformResourceIdentifier })),
  ];
  return extension(id_ce_subjectAltName, new SubjectAlternativeName(all));
}

/** The bits of a public key, without its algorithm. */
export function publicKeyBits(key: KeyObject): Buffer {
  return Buffer.from(publicKeyInfo(key).subjectPublicKey);
}

export function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function relativeName(type: string, value: string): RelativeDistinguishedName {
  const attribute = new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String: value }) });
  return new RelativeDistinguishedName([attribute]);
}

function validity(notBeforeMs: number, notAfterMs: number): Validity {
  return Object.assign(new Validity(), { notBefore: time(notBeforeMs), notAfter: time(notAfterMs) });
}

function time(epochMs: number): Time {
  const date = new Date(Math.floor(epochMs / 1000) * 1000);
  return new Time(epochMs < GENERALIZED_TIME_FROM_MS ? { utcTime: date } : { generalTime: date });
}

function publicKeyInfo(key: KeyObject): SubjectPublicKeyInfo {
  return AsnConvert.parse(bytes(key.export({ type: 'spki', format: 'der' })), SubjectPublicKeyInfo);
}

/** 16 random octets; the first is kept in 0x40..0x7f, so that the number is positive and of fixed length. */
function serialNumber(): ArrayBuffer {
  const number = randomBytes(16);
  number[0] = (number[0]! & 0x3f) | 0x40;
  return bytes(number);
}

function extension(extnID: string, value: unknown, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

/** A copy of exactly these octets: a small Buffer is a window on a larger pool. */
function bytes(source: Uint8Array): ArrayBuffer {
  return new Uint8Array(source).buffer;
}
