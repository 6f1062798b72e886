import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiError } from '../../api/errors.ts';
import type { PodDisruptionBudget } from '../../api/types.ts';
import { spent } from './evict.ts';

const AT = { pod: 'web-1', time: '2026-01-01T00:00:00Z' };

function budget(status: object): PodDisruptionBudget {
  const counts = { currentHealthy: 3, desiredHealthy: 2, expectedPods: 3 };
  return {
    metadata: { name: 'web', generation: 2 },
    status: { observedGeneration: 2, ...counts, ...status },
  } as PodDisruptionBudget;
}

test('spent() takes one disruption, remembers the pod, and says when none is left', () => {
  const { status } = spent(budget({ disruptionsAllowed: 2 }), AT);
  assert.deepEqual([status!.disruptionsAllowed, status!.disruptedPods], [1, { 'web-1': AT.time }]);
  const conditions = [{ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods', message: '' }];
  const last = spent(budget({ disruptionsAllowed: 1, conditions }), AT).status!.conditions![0]!;
  assert.deepEqual([last.status, last.reason], ['False', 'InsufficientPods']);
});

test('spent() refuses what the budget does not allow, or does not know yet', () => {
  const refusal = (status: object) => {
    try {
      spent(budget(status), AT);
    } catch (error) {
      const { code, details } = error as ApiError;
      return [code, details?.causes?.[0]?.message, details?.retryAfterSeconds];
    }
    return assert.fail('allowed');
  };
  assert.deepEqual(refusal({ disruptionsAllowed: 0 }), [
    429,
    'The disruption budget web needs 2 healthy pods and has 3 currently',
    undefined,
  ]);
  const behind = 'The disruption budget web is still being processed by the server.';
  assert.deepEqual(refusal({ disruptionsAllowed: 1, observedGeneration: 1 }), [429, behind, 10]);
});
