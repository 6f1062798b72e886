import type { Resource } from '../resource.ts';
import type { Secret } from '../types.ts';

export const secrets: Resource<Secret> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  shortNames: [],
  categories: [],
  namespaced: true,
  status: false,
  generation: false,
  fieldSelectors: {},
  columns: [],
};
