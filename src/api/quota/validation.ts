import { duplicateValue, type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { checkQualifiedName } from '../names.ts';
import { toAmount } from '../quantity.ts';
import type { LimitRange, ResourceQuota } from '../types.ts';

const SCOPES = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
];

export function validateQuota({ spec }: ResourceQuota): FieldError[] {
  const errors = Object.entries(spec?.hard ?? {}).flatMap(([name, quantity]) => {
    const field = `spec.hard[${name}]`;
    const broken = checkQualifiedName(name).map((text) => invalidValue(field, name, text));
    if (toAmount(quantity).nanos >= 0n) return broken;
    return [...broken, invalidValue(field, quantity, 'must be greater than or equal to 0')];
  });
  const scopes: readonly string[] = spec?.scopes ?? [];
  for (const [index, scope] of scopes.entries()) {
    if (!SCOPES.includes(scope)) errors.push(notSupported(`spec.scopes[${index}]`, scope, SCOPES));
  }
  for (const [a, b] of [
    ['BestEffort', 'NotBestEffort'],
    ['Terminating', 'NotTerminating'],
  ] as const) {
    if (scopes.includes(a) && scopes.includes(b)) {
      errors.push(invalidValue('spec.scopes', scopes, 'conflicting scopes'));
    }
  }
  return errors;
}

type Item = LimitRange['spec'] extends infer S ? (NonNullable<S> extends { limits: (infer L)[] } ? L : never) : never;

export function validateLimitRange({ spec }: LimitRange): FieldError[] {
  const limits: readonly Item[] = spec?.limits ?? [];
  return limits.flatMap((item, index) => {
    const path = `spec.limits[${index}]`;
    const twice = limits.findIndex(({ type }) => type === item.type) < index;
    return [...validateItem(item, path), ...(twice ? [duplicateValue(`${path}.type`, item.type)] : [])];
  });
}

const ORDER = ['min', 'defaultRequest', 'default', 'max'] as const;
const NOUNS = { min: 'min value', defaultRequest: 'default request value', default: 'default value', max: 'max value' };

/** Each of the four must not be more than those after it. */
function validateItem(item: Item, path: string): FieldError[] {
  const errors: FieldError[] = item.type ? [] : [requiredValue(`${path}.type`)];
  if (item.type === 'Pod') {
    for (const field of ['default', 'defaultRequest'] as const) {
      if (Object.keys(item[field] ?? {}).length > 0) {
        const message = 'Forbidden: may not be specified when `type` is "Pod"';
        errors.push({ type: 'FieldValueForbidden', field: `${path}.${field}`, message });
      }
    }
  }
  for (const [index, low] of ORDER.entries()) {
    for (const high of ORDER.slice(index + 1)) errors.push(...validateOrder(item, { path, low, high }));
  }
  return errors;
}

interface Pair {
  readonly path: string;
  readonly low: (typeof ORDER)[number];
  readonly high: (typeof ORDER)[number];
}

function validateOrder(item: Item, { path, low, high }: Pair): FieldError[] {
  return Object.entries(item[low] ?? {}).flatMap(([name, value]) => {
    const other = item[high]?.[name];
    if (other === undefined || toAmount(value).nanos <= toAmount(other).nanos) return [];
    const detail = `${NOUNS[low]} ${value} is greater than ${NOUNS[high]} ${other}`;
    return [invalidValue(`${path}.${low}[${name}]`, value, detail)];
  });
}

/** What a LimitRange of containers leaves unsaid: limits default to the most, requests to limits or to the least. */
export function defaultLimitRange({ spec }: LimitRange): void {
  for (const item of (spec?.limits ?? []) as Item[]) {
    if (item.type !== 'Container') continue;
    item.default = { ...item.max, ...item.default };
    item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest };
    if (Object.keys(item.default).length === 0) delete item.default;
    if (Object.keys(item.defaultRequest).length === 0) delete item.defaultRequest;
  }
}
