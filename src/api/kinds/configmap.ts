import { isDeepStrictEqual } from 'node:util';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { type FieldError, forbidden } from '../field-error.ts';
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
  columns: [
    nameColumn,
    column('Data', (map) => Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length),
    ageColumn,
  ],
  validateUpdate(map, old) {
    const errors: FieldError[] = [];
    if (!old.immutable) return errors;
    if (!map.immutable) errors.push(forbidden('immutable', 'field is immutable when `immutable` is set'));
    for (const field of ['data', 'binaryData'] as const) {
      if (isDeepStrictEqual(map[field] ?? {}, old[field] ?? {})) continue;
      errors.push(forbidden(field, 'field is immutable when `immutable` is set'));
    }
    return errors;
  },
};
