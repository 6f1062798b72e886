import { isDeepStrictEqual } from 'node:util';
import { type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { validateLabels } from '../meta-validation.ts';
import { selects } from '../selectors.ts';
import type { Job } from '../types.ts';
import { nonNegative, supported, validatePodSpec } from './validation.ts';

type Spec = NonNullable<Job['spec']>;

export interface JobPlace {
  readonly path: string;
  /** The selector is generated, or will be. */
  readonly generated: boolean;
  /** Part of a CronJob. */
  readonly template?: boolean;
}

const NUMBERS = [
  'parallelism',
  'completions',
  'backoffLimit',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
  'activeDeadlineSeconds',
  'ttlSecondsAfterFinished',
] as const;

/** The rules of a Job's spec. */
export function validateJobSpec(spec: Spec | undefined, { path, template }: JobPlace): FieldError[] {
  if (!spec?.template) return [requiredValue(`${path}.template`)];
  return [
    ...NUMBERS.flatMap((name) => nonNegative(spec[name], `${path}.${name}`)),
    ...supported(spec.completionMode, { path: `${path}.completionMode`, values: ['NonIndexed', 'Indexed'] }),
    ...indexed(spec, path),
    ...validateLabels(spec.template.metadata?.labels as Record<string, string>, `${path}.template.metadata.labels`),
    ...validatePodSpec(spec.template.spec, `${path}.template.spec`),
    ...restartPolicy(spec, path),
    ...(template ? [] : selector(spec, path)),
  ];
}

function indexed(
  { completionMode, completions, backoffLimitPerIndex, maxFailedIndexes, successPolicy }: Spec,
  path: string,
): FieldError[] {
  if (completionMode === 'Indexed') {
    return completions === undefined ? [requiredValue(`${path}.completions`, 'when completion mode is Indexed')] : [];
  }
  const given = { backoffLimitPerIndex, maxFailedIndexes, successPolicy };
  return Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [invalidValue(`${path}.${name}`, value, 'requires indexed completion mode')],
  );
}

function restartPolicy({ template, podFailurePolicy }: Spec, path: string): FieldError[] {
  const policy = template.spec?.restartPolicy ?? 'Always';
  const field = `${path}.template.spec.restartPolicy`;
  if (policy === 'Always') return [requiredValue(field, 'valid values: "OnFailure", "Never"')];
  if (policy !== 'Never' && policy !== 'OnFailure') return [notSupported(field, policy, ['OnFailure', 'Never'])];
  if (!podFailurePolicy || policy === 'Never') return [];
  return [invalidValue(field, policy, 'only "Never" is supported when podFailurePolicy is specified')];
}

function selector(spec: Spec, path: string): FieldError[] {
  if (!spec.selector) return [requiredValue(`${path}.selector`)];
  const labels = (spec.template.metadata?.labels ?? {}) as Record<string, string>;
  if (selects(spec.selector as Parameters<typeof selects>[0], labels)) return [];
  return [invalidValue(`${path}.template.metadata.labels`, labels, '`selector` does not match template `labels`')];
}

const IMMUTABLE = [
  'selector',
  'template',
  'completionMode',
  'podFailurePolicy',
  'backoffLimitPerIndex',
  'successPolicy',
  'managedBy',
] as const;

/** What may change: size, limits, suspension; completions with parallelism in step of an Indexed Job. */
export function validateJobUpdate(spec: Spec | undefined, old: Spec | undefined): FieldError[] {
  const errors = IMMUTABLE.flatMap((name) => {
    if (isDeepStrictEqual(spec?.[name], old?.[name])) return [];
    if (name === 'template' && old?.suspend && sameButPlacement(spec, old)) return [];
    return [invalidValue(`spec.${name}`, spec?.[name], 'field is immutable')];
  });
  if (spec?.completions === old?.completions) return errors;
  const elastic =
    spec?.completionMode === 'Indexed' && spec.completions === spec.parallelism && spec.completions !== undefined;
  return elastic ? errors : [...errors, invalidValue('spec.completions', spec?.completions, 'field is immutable')];
}

/** A suspended Job may be told anew where its pods go. */
function sameButPlacement(spec: Spec | undefined, old: Spec): boolean {
  const rest = (value: Spec | undefined) => {
    const copy = structuredClone(value?.template);
    const podSpec = copy?.spec as unknown as Record<string, unknown> | undefined;
    for (const name of ['nodeSelector', 'affinity', 'tolerations', 'schedulingGates']) delete podSpec?.[name];
    delete copy?.metadata;
    return copy;
  };
  return isDeepStrictEqual(rest(spec), rest(old));
}
