import { isDeepStrictEqual } from 'node:util';
import { type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { validateLabels } from '../meta-validation.ts';
import { type LabelSelectorObject, selects } from '../selectors.ts';
import type { PodSpec } from './defaults.ts';
import { nonNegative, validatePodSpec } from './validation.ts';

/** What a Deployment's and a ReplicaSet's spec have in common. */
export interface WorkloadSpec {
  replicas?: number;
  minReadySeconds?: number;
  selector?: LabelSelectorObject;
  template?: { metadata?: { labels?: Record<string, string> }; spec?: PodSpec };
}

/** `kind` as messages name it. */
export function validateWorkload(spec: WorkloadSpec | undefined, kind = 'deployment'): FieldError[] {
  if (!spec) return [requiredValue('spec.selector'), requiredValue('spec.template.spec.containers')];
  const podSpec = spec.template?.spec;
  const policy = podSpec?.restartPolicy ?? 'Always';
  return [
    ...nonNegative(spec.replicas, 'spec.replicas'),
    ...nonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...validateSelector(spec, kind),
    ...validateLabels(spec.template?.metadata?.labels, 'spec.template.metadata.labels'),
    ...validatePodSpec(podSpec, 'spec.template.spec'),
    ...(policy === 'Always' ? [] : [notSupported('spec.template.spec.restartPolicy', policy, ['Always'])]),
  ];
}

function validateSelector({ selector, template }: WorkloadSpec, kind: string): FieldError[] {
  if (!selector) return [requiredValue('spec.selector')];
  const empty = !Object.keys(selector.matchLabels ?? {}).length && !selector.matchExpressions?.length;
  if (empty) return [invalidValue('spec.selector', selector, `empty selector is invalid for ${kind}`)];
  const labels = template?.metadata?.labels ?? {};
  if (selects(selector, labels)) return [];
  return [invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')];
}

export function validateWorkloadUpdate(spec: WorkloadSpec | undefined, old: WorkloadSpec | undefined): FieldError[] {
  if (isDeepStrictEqual(spec?.selector, old?.selector)) return [];
  return [invalidValue('spec.selector', spec?.selector, 'field is immutable')];
}
