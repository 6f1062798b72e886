import type { Resource } from '../resource.ts';
import type { EndpointSlice } from '../types.ts';

export const endpointSlices: Resource<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  shortNames: [],
  categories: [],
  namespaced: true,
  status: false,
  generation: true,
  fieldSelectors: {},
  columns: [],
};
