import type { Resource } from '../resource.ts';
import type { Service } from '../types.ts';

export const services: Resource<Service> = {
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  status: true,
  generation: false,
  fieldSelectors: {},
  columns: [],
};
