import { createdAtColumn, nameColumn } from '../columns.ts';
import { defaultLimitRange, validateLimitRange } from '../quota/validation.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { LimitRange } from '../types.ts';

export const limitRanges: Resource<LimitRange> = {
  ...namespacedKind,
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  singular: 'limitrange',
  shortNames: ['limits'],
  columns: [nameColumn, createdAtColumn],
  setDefaults: defaultLimitRange,
  validate: validateLimitRange,
};
