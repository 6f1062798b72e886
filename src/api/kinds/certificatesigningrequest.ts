import { ageColumn, column, nameColumn } from '../columns.ts';
import { humanDuration } from '../duration.ts';
import { duplicateValue, type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { checkName } from '../names.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { CertificateSigningRequest } from '../types.ts';

export const certificateSigningRequests: Resource<CertificateSigningRequest> = {
  ...clusterKind,
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  singular: 'certificatesigningrequest',
  shortNames: ['csr'],
  status: true,
  fieldSelectors: { 'spec.signerName': (request) => request.spec.signerName },
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', (request) => request.spec.signerName || '<none>'),
    column('Requestor', (request) => request.spec.username ?? ''),
    column('RequestedDuration', ({ spec }) =>
      spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    column('Condition', conditionText),
  ],
  setDefaults(request) {
    // What is left out is for validation to name.
    request.spec ??= { request: '', signerName: '' };
    const { spec } = request;
    spec.usages ??= ['digital signature', 'key encipherment'];
  },
  prepareForCreate(request) {
    request.status = {};
  },
  prepareForUpdate(request, old) {
    request.spec = old.spec;
  },
  validate: ({ spec }) => [
    ...(spec.request ? [] : [requiredValue('spec.request')]),
    ...validateUsages(spec.usages ?? []),
    ...validateSigner(spec.signerName),
    ...validateDuration(spec.expirationSeconds),
  ],
};

function conditionText({ status }: CertificateSigningRequest): string {
  const types = (status?.conditions ?? []).map(({ type }) => type);
  const decision = types.includes('Denied') ? 'Denied' : types.includes('Approved') ? 'Approved' : 'Pending';
  return `${decision}${types.includes('Failed') ? ',Failed' : ''}${status?.certificate ? ',Issued' : ''}`;
}

/** Purposes that a certificate may be asked for (`certificates.k8s.io/v1 KeyUsage`). */
const USAGES = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

function validateUsages(usages: readonly string[]): FieldError[] {
  if (usages.length === 0) return [requiredValue('spec.usages')];
  return usages.flatMap((usage, index) => {
    const field = `spec.usages[${index}]`;
    if (!USAGES.includes(usage)) return [notSupported(field, usage, USAGES)];
    return usages.indexOf(usage) < index ? [duplicateValue(field, usage)] : [];
  });
}

function validateSigner(name: string): FieldError[] {
  if (!name) return [requiredValue('spec.signerName')];
  if (name === 'kubernetes.io/legacy-unknown') {
    return [invalidValue('spec.signerName', name, 'the legacy signerName is not allowed via this API version')];
  }
  const [domain = '', ...path] = name.split('/');
  if (path.length !== 1) {
    return [
      invalidValue(
        'spec.signerName',
        name,
        'must be a fully qualified domain and path of the form "example.com/signer-name"',
      ),
    ];
  }
  const errors = checkName(domain, 'dns1123-subdomain').map((text) => invalidValue('spec.signerName', name, text));
  return domain.includes('.')
    ? errors
    : [
        ...errors,
        invalidValue('spec.signerName', name, 'should be a domain with at least two segments separated by dots'),
      ];
}

const MIN_SECONDS = 600;

function validateDuration(seconds: number | undefined): FieldError[] {
  if (seconds === undefined || seconds >= MIN_SECONDS) return [];
  const detail = 'may not specify a duration less than 600 seconds (10 minutes)';
  return [invalidValue('spec.expirationSeconds', seconds, detail)];
}
