import type { Resource } from '../resource.ts';
import type { Node } from '../types.ts';

export const nodes: Resource<Node> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  categories: [],
  namespaced: false,
  status: true,
  generation: false,
  fieldSelectors: {},
  columns: [],
};
