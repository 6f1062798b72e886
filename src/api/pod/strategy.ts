import { type FieldError, forbidden, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import type { DaemonSet, Deployment, StatefulSet } from '../types.ts';
import { nonNegative, supported } from './validation.ts';

type Amount = number | string | undefined;

const PERCENT =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

/** A number of pods, or a share of them. */
function amountErrors(value: Amount, field: string): FieldError[] {
  if (value === undefined) return [];
  if (typeof value === 'number') return nonNegative(value, field);
  return /^\d+%$/.test(value) ? [] : [invalidValue(field, value, PERCENT)];
}

/** At most all of them. */
function shareErrors(value: Amount, field: string): FieldError[] {
  const errors = amountErrors(value, field);
  if (errors.length > 0 || typeof value !== 'string' || Number.parseInt(value, 10) <= 100) return errors;
  return [invalidValue(field, value, 'must not be greater than 100%')];
}

/** True for 0 and 0%. */
function isNone(value: Amount): boolean {
  return value === undefined ? false : Number.parseInt(String(value), 10) === 0;
}

export function validateDeploymentStrategy(spec: Deployment['spec']): FieldError[] {
  const { type, rollingUpdate } = spec?.strategy ?? {};
  const path = 'spec.strategy';
  const limits = [
    ...nonNegative(spec?.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...nonNegative(spec?.progressDeadlineSeconds, 'spec.progressDeadlineSeconds'),
    ...deadline(spec),
  ];
  if (type === 'Recreate') {
    const why = "may not be specified when strategy `type` is 'Recreate'";
    return rollingUpdate ? [...limits, forbidden(`${path}.rollingUpdate`, why)] : limits;
  }
  if (type !== undefined && type !== 'RollingUpdate') {
    return [...limits, notSupported(`${path}.type`, type, ['Recreate', 'RollingUpdate'])];
  }
  const { maxSurge, maxUnavailable } = rollingUpdate ?? {};
  const field = `${path}.rollingUpdate.maxUnavailable`;
  return [
    ...limits,
    ...shareErrors(maxUnavailable, field),
    ...amountErrors(maxSurge, `${path}.rollingUpdate.maxSurge`),
    ...(isNone(maxSurge) && isNone(maxUnavailable)
      ? [invalidValue(field, maxUnavailable, 'may not be 0 when `maxSurge` is 0')]
      : []),
  ];
}

function deadline(spec: Deployment['spec']): FieldError[] {
  const { progressDeadlineSeconds, minReadySeconds = 0 } = spec ?? {};
  if (progressDeadlineSeconds === undefined || progressDeadlineSeconds > minReadySeconds) return [];
  return [
    invalidValue('spec.progressDeadlineSeconds', progressDeadlineSeconds, 'must be greater than minReadySeconds'),
  ];
}

export function validateDaemonSetStrategy(spec: DaemonSet['spec']): FieldError[] {
  const { type, rollingUpdate } = spec?.updateStrategy ?? {};
  const path = 'spec.updateStrategy';
  const history = nonNegative(spec?.revisionHistoryLimit, 'spec.revisionHistoryLimit');
  if (type === 'OnDelete' || type === undefined) return history;
  if (type !== 'RollingUpdate') return [...history, notSupported(`${path}.type`, type, ['OnDelete', 'RollingUpdate'])];
  if (!rollingUpdate) return [...history, requiredValue(`${path}.rollingUpdate`)];
  const { maxSurge, maxUnavailable } = rollingUpdate;
  const field = `${path}.rollingUpdate.maxUnavailable`;
  const both = !isNone(maxSurge) && maxSurge !== undefined && !isNone(maxUnavailable) && maxUnavailable !== undefined;
  return [
    ...history,
    ...shareErrors(maxUnavailable, field),
    ...shareErrors(maxSurge, `${path}.rollingUpdate.maxSurge`),
    ...(both
      ? [invalidValue(`${path}.rollingUpdate.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero')]
      : []),
    ...(isNone(maxSurge) && isNone(maxUnavailable) ? [requiredValue(field, 'cannot be 0 when maxSurge is 0')] : []),
  ];
}

const POLICIES = ['OrderedReady', 'Parallel'];
const RETENTIONS = ['Delete', 'Retain'];

export function validateStatefulSetStrategy(spec: StatefulSet['spec']): FieldError[] {
  const { type, rollingUpdate } = spec?.updateStrategy ?? {};
  const retention = spec?.persistentVolumeClaimRetentionPolicy;
  const path = 'spec.updateStrategy';
  const onDelete = type === 'OnDelete' && rollingUpdate;
  return [
    ...supported(spec?.podManagementPolicy, { path: 'spec.podManagementPolicy', values: POLICIES }),
    ...supported(type, { path: `${path}.type`, values: ['OnDelete', 'RollingUpdate'] }),
    ...(onDelete
      ? [invalidValue(`${path}.rollingUpdate`, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")]
      : []),
    ...nonNegative(rollingUpdate?.partition, `${path}.rollingUpdate.partition`),
    ...shareErrors(rollingUpdate?.maxUnavailable, `${path}.rollingUpdate.maxUnavailable`),
    ...nonNegative(spec?.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...nonNegative(spec?.ordinals?.start, 'spec.ordinals.start'),
    ...(['whenDeleted', 'whenScaled'] as const).flatMap((name) =>
      supported(retention?.[name], { path: `spec.persistentVolumeClaimRetentionPolicy.${name}`, values: RETENTIONS }),
    ),
  ];
}
