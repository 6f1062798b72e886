import { ageColumn, column, nameColumn } from '../columns.ts';
import type { Resource } from '../resource.ts';
import type { Lease } from '../types.ts';

export const leases: Resource<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  singular: 'lease',
  shortNames: [],
  categories: [],
  namespaced: true,
  status: false,
  generation: false,
  fieldSelectors: {},
  columns: [nameColumn, column('Holder', (lease) => lease.spec?.holderIdentity ?? ''), ageColumn],
};
