import { ApiError, qualifiedResource, type StatusReason } from '../../api/errors.ts';
import { namespaces } from '../../api/kinds/namespace.ts';
import { type LabelSelectorObject, selects } from '../../api/selectors.ts';
import type { KubeObject, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../api/types.ts';
import type { Store } from '../../store/store.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import type { Catalog } from '../catalog.ts';
import { keyOf, keyPrefix, objectOf } from '../objects.ts';
import { matches } from '../webhook/match.ts';
import { surroundings } from '../webhook/plugin.ts';
import { Scope } from './expressions.ts';
import { type BoundPolicy, followPolicies, matchOf } from './policies.ts';

export interface PolicyOptions {
  store: Store;
  catalog: Catalog;
}

/** ValidatingAdmissionPolicies: expressions over each write that their bindings make count. */
export function createPolicies(options: PolicyOptions): AdmissionPlugin {
  const source = followPolicies(options.store);
  const around = surroundings(options);
  return {
    validate(attributes) {
      const bound = source.current();
      if (bound.length === 0 || isPolicy(attributes)) return undefined;
      const surrounding = around(attributes);
      for (const { policy, bindings } of bound) {
        const match = matchOf(policy.spec?.matchConstraints);
        if (!match || !matches(match, attributes, surrounding)) continue;
        for (const binding of bindings) {
          const narrowed = matchOf(binding.spec?.matchResources);
          if (!narrowed || matches(narrowed, attributes, surrounding))
            enforce(options, { policy, binding, attributes });
        }
      }
      return undefined;
    },
  };
}

/** Policies are out of their own reach, so that a wrong one can be mended. */
function isPolicy({ resource }: AdmissionAttributes): boolean {
  return resource.group === 'admissionregistration.k8s.io' && resource.plural.startsWith('validatingadmissionpolic');
}

interface Enforcement {
  readonly policy: BoundPolicy['policy'];
  readonly binding: ValidatingAdmissionPolicyBinding;
  readonly attributes: AdmissionAttributes;
}

/** A rule that a write breaks. */
interface Violation {
  readonly message: string;
  readonly reason: string;
}

function enforce(options: PolicyOptions, at: Enforcement): void {
  const violations = violationsOf(options, at);
  const actions: readonly string[] = at.binding.spec?.validationActions ?? ['Deny'];
  const where = `ValidatingAdmissionPolicy '${at.policy.metadata.name}' with binding '${at.binding.metadata.name}'`;
  for (const { message, reason } of violations) {
    if (actions.includes('Warn')) at.attributes.warn?.(`Validation failed for ${where}: ${message}`);
    if (actions.includes('Deny')) throw denial(at.attributes, `${where} denied request: ${message}`, reason);
  }
}

function violationsOf(options: PolicyOptions, at: Enforcement): Violation[] {
  const fail = at.policy.spec?.failurePolicy !== 'Ignore';
  try {
    const { found, missing } = paramsOf(options, at);
    if (missing !== undefined) return fail ? [{ message: missing, reason: 'Invalid' }] : [];
    return found.flatMap((params) => checkWith(options, at, params));
  } catch (error) {
    return fail ? [{ message: (error as Error).message, reason: 'Invalid' }] : [];
  }
}

type Validation = NonNullable<NonNullable<ValidatingAdmissionPolicy['spec']>['validations']>[number];

function checkWith({ store }: PolicyOptions, { policy, attributes }: Enforcement, params: KubeObject | undefined) {
  const { namespace } = attributes;
  const item = namespace === '' ? undefined : store.get(keyOf(namespaces, { name: namespace }));
  const more = { ...(item ? { namespaceObject: objectOf(item) } : {}), ...(params ? { params } : {}) };
  const scope = new Scope(attributes, more);
  const { matchConditions = [], variables = [], validations = [], failurePolicy } = policy.spec ?? {};
  for (const { name, expression } of matchConditions) {
    if (evaluated(scope, expression, name) !== true) return [];
  }
  for (const { name, expression } of variables) scope.define(name, expression);
  return validations.flatMap((validation) => check(scope, validation, failurePolicy !== 'Ignore'));
}

function check(scope: Scope, validation: Validation, fail: boolean): Violation[] {
  const { expression, reason = 'Invalid' } = validation;
  try {
    if (evaluated(scope, expression, expression) === true) return [];
    return [{ message: messageOf(scope, validation), reason }];
  } catch (error) {
    return fail ? [{ message: (error as Error).message, reason: 'Invalid' }] : [];
  }
}

function evaluated(scope: Scope, expression: string, name: string): unknown {
  try {
    return scope.evaluate(expression);
  } catch (error) {
    throw new Error(`expression '${name.trim()}' resulted in error: ${(error as Error).message}`);
  }
}

/** An expression for the message that fails, or makes no single line, is passed over. */
function messageOf(scope: Scope, { expression, message, messageExpression }: Validation): string {
  const fallback = message?.trim() || `failed expression: ${expression.trim()}`;
  if (!messageExpression) return fallback;
  try {
    const text = scope.evaluate(messageExpression);
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text.trim() : fallback;
  } catch {
    return fallback;
  }
}

interface Params {
  readonly found: readonly (KubeObject | undefined)[];
  readonly missing?: string;
}

/** The objects that a binding gives its policy as `params`, each judged by itself. */
function paramsOf({ store, catalog }: PolicyOptions, { policy, binding, attributes }: Enforcement): Params {
  const { paramKind } = policy.spec ?? {};
  const { paramRef } = binding.spec ?? {};
  if (!paramKind || !paramRef) return { found: [undefined] };
  const { apiVersion, kind } = paramKind;
  const resource = catalog.rows.find((row) => row.kind === kind && versionOf(row) === apiVersion);
  if (!resource)
    return { found: [], missing: `failed to find resource referenced by paramKind: '${apiVersion}, Kind=${kind}'` };
  const namespace = resource.namespaced ? paramRef.namespace || attributes.namespace : '';
  const at = { ...resource, namespace };
  const found = paramRef.name
    ? [store.get(keyOf(at, { namespace, name: paramRef.name }))].filter((item) => item !== undefined)
    : store.list(keyPrefix(at, namespace)).items;
  const selector = paramRef.selector as LabelSelectorObject | undefined;
  const objects = found.map(objectOf).filter(({ metadata }) => !selector || selects(selector, metadata.labels ?? {}));
  if (objects.length > 0 || paramRef.parameterNotFoundAction === 'Allow') return { found: objects };
  return {
    found: [],
    missing: 'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
  };
}

function versionOf({ group, version }: { group: string; version: string }): string {
  return group === '' ? version : `${group}/${version}`;
}

const CODES: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  RequestEntityTooLarge: 413,
  Invalid: 422,
};

function denial({ resource, name }: AdmissionAttributes, message: string, reason: string): ApiError {
  const details = { name, group: resource.group || undefined, kind: resource.plural, causes: [{ message }] };
  const text = `${qualifiedResource(resource)} ${JSON.stringify(name)} is forbidden: ${message}`;
  return new ApiError(reason as StatusReason, text, details, CODES[reason] ?? 422);
}
