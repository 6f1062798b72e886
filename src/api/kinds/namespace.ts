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
  fieldSelectors: {},
  columns: [],
};
