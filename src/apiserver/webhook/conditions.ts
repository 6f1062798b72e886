import { ApiError } from '../../api/errors.ts';
import type { AdmissionAttributes } from '../admission.ts';
import type { MatchCondition } from './configurations.ts';

/** Evaluates an expression over a write. Throws an Error when it can not be evaluated. */
export type Conditions = (expression: string, attributes: AdmissionAttributes) => unknown;

/**
 * Whether all conditions hold. One that is false counts more than one that fails; throws an Error when one fails and none
 * is false.
 */
export function evaluateConditions(
  evaluate: Conditions,
  conditions: readonly MatchCondition[],
  attributes: AdmissionAttributes,
): boolean {
  let failure: Error | undefined;
  for (const { name, expression } of conditions) {
    try {
      if (evaluate(expression, attributes) !== true) return false;
    } catch (error) {
      if (error instanceof ApiError) throw error;
      failure ??= new Error(`expression '${name}' resulted in error: ${(error as Error).message}`);
    }
  }
  if (failure) throw failure;
  return true;
}
