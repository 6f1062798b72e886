import { compileCel } from '../cel/program.ts';
import { duplicateValue, type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../types.ts';
import { validateRules } from './rules.ts';

/** What expressions of policies and match conditions may name. */
export const POLICY_VARIABLES = ['object', 'oldObject', 'request', 'params', 'namespaceObject', 'variables'];

const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'];
const ACTIONS = ['Audit', 'Deny', 'Warn'];

export function validatePolicy({ spec = {} }: ValidatingAdmissionPolicy): FieldError[] {
  const { validations = [], variables = [], matchConditions = [], auditAnnotations = [] } = spec;
  const errors: FieldError[] = [];
  if (!spec.matchConstraints) errors.push(requiredValue('spec.matchConstraints'));
  else if (!spec.matchConstraints.resourceRules?.length)
    errors.push(requiredValue('spec.matchConstraints.resourceRules'));
  if (validations.length === 0 && auditAnnotations.length === 0) {
    const detail = 'validations or auditAnnotations must contain at least one item';
    errors.push(requiredValue('spec.validations', detail));
  }
  return [
    ...errors,
    ...validateRules(spec.matchConstraints?.resourceRules, 'spec.matchConstraints.resourceRules'),
    ...validations.flatMap((validation, index) => validateValidation(validation, `spec.validations[${index}]`)),
    ...variables.flatMap(({ expression }, index) => compiled(expression, `spec.variables[${index}].expression`)),
    ...uniqueNames(variables, 'spec.variables'),
    ...matchConditions.flatMap(({ expression }, index) =>
      compiled(expression, `spec.matchConditions[${index}].expression`),
    ),
    ...uniqueNames(matchConditions, 'spec.matchConditions'),
  ];
}

type Validation = NonNullable<NonNullable<ValidatingAdmissionPolicy['spec']>['validations']>[number];

function validateValidation(
  { expression, messageExpression, reason, message }: Validation,
  path: string,
): FieldError[] {
  const errors = compiled(expression, `${path}.expression`);
  if (messageExpression) errors.push(...compiled(messageExpression, `${path}.messageExpression`));
  if (message?.includes('\n')) errors.push(invalidValue(`${path}.message`, message, 'must not contain line breaks'));
  if (reason && !REASONS.includes(reason)) errors.push(notSupported(`${path}.reason`, reason, REASONS));
  return errors;
}

/** What keeps an expression from being one. */
export function compiled(expression: string, path: string): FieldError[] {
  if (!expression?.trim()) return [requiredValue(path, 'expression is not specified')];
  try {
    compileCel(expression, POLICY_VARIABLES);
    return [];
  } catch (error) {
    return [invalidValue(path, expression, `compilation failed: ${(error as Error).message}`)];
  }
}

function uniqueNames(items: readonly { readonly name: string }[], path: string): FieldError[] {
  return items.flatMap(({ name }, index) => {
    if (!name) return [requiredValue(`${path}[${index}].name`)];
    const twice = items.findIndex((item) => item.name === name) < index;
    return twice ? [duplicateValue(`${path}[${index}].name`, name)] : [];
  });
}

export function validatePolicyBinding({ spec = {} }: ValidatingAdmissionPolicyBinding): FieldError[] {
  const errors = spec.policyName ? [] : [requiredValue('spec.policyName')];
  const { validationActions = [], paramRef } = spec;
  if (validationActions.length === 0) errors.push(requiredValue('spec.validationActions'));
  for (const [index, action] of validationActions.entries()) {
    const path = `spec.validationActions[${index}]`;
    if (!ACTIONS.includes(action)) errors.push(notSupported(path, action, ACTIONS));
    if (validationActions.indexOf(action) < index) errors.push(duplicateValue(path, action));
  }
  if (validationActions.includes('Deny') && validationActions.includes('Warn')) {
    const detail =
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
    errors.push(invalidValue('spec.validationActions', validationActions, detail));
  }
  if (!paramRef) return errors;
  if (!paramRef.name && !paramRef.selector) {
    errors.push(requiredValue('spec.paramRef', 'one of name or selector must be specified'));
  }
  if (!paramRef.parameterNotFoundAction) errors.push(requiredValue('spec.paramRef.parameterNotFoundAction'));
  return errors;
}
