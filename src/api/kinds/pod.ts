import type { Resource } from '../resource.ts';
import type { Pod } from '../types.ts';

export const pods: Resource<Pod> = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  status: true,
  generation: false,
  fieldSelectors: {},
  columns: [],
};
