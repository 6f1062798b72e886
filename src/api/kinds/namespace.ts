import { ageColumn, column, nameColumn } from '../columns.ts';
import type { Resource } from '../resource.ts';
import type { Namespace } from '../types.ts';

export const namespaces: Resource<Namespace> = {
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  categories: [],
  namespaced: false,
  status: true,
  generation: false,
  fieldSelectors: { 'status.phase': (namespace) => namespace.status?.phase ?? '' },
  columns: [nameColumn, column('Status', (namespace) => namespace.status?.phase ?? ''), ageColumn],
  nameRule: 'dns1123-label',
  setDefaults(namespace) {
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      'kubernetes.io/metadata.name': namespace.metadata.name,
    };
  },
  prepareForCreate(namespace) {
    namespace.spec = { finalizers: ['kubernetes'] };
    namespace.status = { phase: 'Active' };
  },
  prepareForUpdate(namespace, old) {
    namespace.spec = old.spec;
  },
};
