import { ageColumn, column, nameColumn } from '../columns.ts';
import { type FieldError, invalidValue } from '../field-error.ts';
import { nonNegative, supported } from '../pod/validation.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { PodDisruptionBudget } from '../types.ts';

export const podDisruptionBudgets: Resource<PodDisruptionBudget> = {
  ...namespacedKind,
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  singular: 'poddisruptionbudget',
  shortNames: ['pdb'],
  status: true,
  generation: true,
  columns: [
    nameColumn,
    column('Min Available', (budget) => String(budget.spec?.minAvailable ?? 'N/A')),
    column('Max Unavailable', (budget) => String(budget.spec?.maxUnavailable ?? 'N/A')),
    column('Allowed Disruptions', (budget) => budget.status?.disruptionsAllowed ?? 0, 'integer'),
    ageColumn,
  ],
  prepareForCreate(budget) {
    budget.status = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  },
  validate: validateBudget,
};

const AMOUNT = /^\d+%$/;

function validateBudget({ spec }: PodDisruptionBudget): FieldError[] {
  const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy } = spec ?? {};
  const both = minAvailable !== undefined && maxUnavailable !== undefined;
  return [
    ...(both ? [invalidValue('spec', spec, 'minAvailable and maxUnavailable cannot be both set')] : []),
    ...amountErrors(minAvailable, 'spec.minAvailable'),
    ...amountErrors(maxUnavailable, 'spec.maxUnavailable'),
    ...supported(unhealthyPodEvictionPolicy, {
      path: 'spec.unhealthyPodEvictionPolicy',
      values: ['AlwaysAllow', 'IfHealthyBudget'],
    }),
  ];
}

/** A number of pods, or a percentage up to 100. */
function amountErrors(value: number | string | undefined, field: string): FieldError[] {
  if (value === undefined) return [];
  if (typeof value === 'number') return nonNegative(value, field);
  if (!AMOUNT.test(value)) return [invalidValue(field, value, PERCENT)];
  return Number.parseInt(value, 10) > 100 ? [invalidValue(field, value, 'must not be greater than 100%')] : [];
}

const PERCENT =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
