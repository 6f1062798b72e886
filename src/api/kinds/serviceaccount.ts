import { ageColumn, column, nameColumn } from '../columns.ts';
import type { Resource } from '../resource.ts';
import type { ServiceAccount } from '../types.ts';

export const serviceAccounts: Resource<ServiceAccount> = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  shortNames: ['sa'],
  categories: [],
  namespaced: true,
  status: false,
  generation: false,
  fieldSelectors: {},
  columns: [nameColumn, column('Secrets', (account) => account.secrets?.length ?? 0), ageColumn],
};
