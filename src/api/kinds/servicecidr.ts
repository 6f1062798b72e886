import { ageColumn, column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { ServiceCIDR } from '../types.ts';

export const serviceCidrs: Resource<ServiceCIDR> = {
  ...clusterKind,
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  singular: 'servicecidr',
  status: true,
  generation: true,
  columns: [nameColumn, column('CIDRs', (range) => (range.spec?.cidrs ?? []).join(',')), ageColumn],
  prepareForCreate(range) {
    range.status = {};
  },
};
