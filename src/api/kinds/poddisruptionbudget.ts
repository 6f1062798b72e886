import { ageColumn, column, nameColumn } from '../columns.ts';
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
};
