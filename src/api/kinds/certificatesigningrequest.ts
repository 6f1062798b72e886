import { ageColumn, column, nameColumn } from '../columns.ts';
import { humanDuration } from '../duration.ts';
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
  setDefaults({ spec }) {
    spec.usages ??= ['digital signature', 'key encipherment'];
  },
  prepareForCreate(request) {
    request.status = {};
  },
};

function conditionText({ status }: CertificateSigningRequest): string {
  const types = (status?.conditions ?? []).map(({ type }) => type);
  const decision = types.includes('Denied') ? 'Denied' : types.includes('Approved') ? 'Approved' : 'Pending';
  return `${decision}${types.includes('Failed') ? ',Failed' : ''}${status?.certificate ? ',Issued' : ''}`;
}
