import type { Resource } from '../resource.ts';
import type { ConfigMap } from '../types.ts';

export const configMaps: Resource<ConfigMap> = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  shortNames: ['cm'],
  categories: [],
  namespaced: true,
  status: false,
  generation: false,
  fieldSelectors: {},
  columns: [],
};
