import { ApiError } from '../../api/errors.ts';
import { formatAmount, toAmount } from '../../api/quantity.ts';
import { type Amounts, podTotals, toAmounts } from '../../api/quota/pod-usage.ts';
import type { KubeObject, LimitRange, PersistentVolumeClaim, Pod } from '../../api/types.ts';
import type { Admission } from '../admission.ts';

type Item = NonNullable<LimitRange['spec']>['limits'][number];
type Container = NonNullable<Pod['spec']>['containers'][number];
type Quantities = Readonly<Record<string, string | number>>;

const ANNOTATION = 'kubernetes.io/limit-ranger';

/** The LimitRanges of a namespace. */
export type FindLimitRanges = (namespace: string) => readonly LimitRange[];

/** Gives new pods the defaults of their namespace's LimitRanges, and holds pods and claims to their bounds. */
export function createLimitRanger(find: FindLimitRanges): Admission<KubeObject>[] {
  const items = (object: KubeObject) => find(object.metadata.namespace ?? '').flatMap(({ spec }) => spec?.limits ?? []);
  const pods: Admission<Pod> = {
    resource: { group: '', plural: 'pods' },
    create(pod) {
      const limits = items(pod);
      if (limits.length === 0 || !pod.spec) return;
      applyDefaults(pod, limits);
      refuse(
        'pods',
        pod,
        limits.flatMap((item) => podErrors(pod, item)),
      );
    },
  };
  const checkClaim = (claim: PersistentVolumeClaim) => {
    const limits = items(claim).filter(({ type }) => type === 'PersistentVolumeClaim');
    const requests = toAmounts(claim.spec?.resources?.requests as Quantities | undefined);
    const errors = limits.flatMap((item) => [
      ...minErrors(item, { requests, limits: new Map() }),
      ...claimMaxErrors(item, requests),
    ]);
    refuse('persistentvolumeclaims', claim, errors);
  };
  const claims: Admission<PersistentVolumeClaim> = {
    resource: { group: '', plural: 'persistentvolumeclaims' },
    create: checkClaim,
    update: checkClaim,
  };
  return [pods, claims] as Admission<KubeObject>[];
}

function refuse(plural: string, { metadata: { name, generateName } }: KubeObject, errors: readonly string[]): void {
  if (errors.length === 0) return;
  const unique = [...new Set(errors)];
  const why = unique.length === 1 ? unique[0] : `[${unique.join(', ')}]`;
  const subject = JSON.stringify(name || generateName || '');
  throw new ApiError('Forbidden', `${plural} ${subject} is forbidden: ${why}`, { name, kind: plural });
}

/** Sets what containers leave out, and says so in an annotation. */
export function applyDefaults(pod: Pod, limits: readonly Item[]): void {
  const notes: string[] = [];
  for (const item of limits.filter(({ type }) => type === 'Container')) {
    for (const container of pod.spec?.containers ?? []) notes.push(...setDefaults(container, item, 'container'));
    for (const container of pod.spec?.initContainers ?? [])
      notes.push(...setDefaults(container, item, 'init container'));
  }
  if (notes.length === 0) return;
  const annotation = `LimitRanger plugin set: ${notes.join('; ')}`;
  pod.metadata.annotations = { ...pod.metadata.annotations, [ANNOTATION]: annotation };
}

function setDefaults(container: Container, item: Item, kind: string): string[] {
  const notes: string[] = [];
  for (const [field, defaults, noun] of [
    ['requests', item.defaultRequest, 'request'],
    ['limits', item.default, 'limit'],
  ] as const) {
    const given = (container.resources?.[field] ?? {}) as Quantities;
    const added = Object.entries((defaults ?? {}) as Quantities).filter(([name]) => given[name] === undefined);
    if (added.length === 0) continue;
    container.resources = { ...container.resources, [field]: { ...given, ...Object.fromEntries(added) } };
    const names = added.map(([name]) => name).sort();
    notes.push(`${names.join(', ')} ${noun} for ${kind} ${container.name}`);
  }
  return notes;
}

interface Asked {
  readonly requests: Amounts;
  readonly limits: Amounts;
}

function podErrors(pod: Pod, item: Item): string[] {
  const spec = pod.spec!;
  if (item.type === 'Pod') {
    const asked = { requests: podTotals(spec, 'requests'), limits: podTotals(spec, 'limits') };
    return [...minErrors(item, asked), ...maxErrors(item, asked), ...ratioErrors(item, asked)];
  }
  if (item.type !== 'Container') return [];
  return [...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ resources }) => {
    const asked = { requests: toAmounts(resources?.requests), limits: toAmounts(resources?.limits) };
    return [...minErrors(item, asked), ...maxErrors(item, asked), ...ratioErrors(item, asked)];
  });
}

function minErrors({ type, min }: Item, { requests, limits }: Asked): string[] {
  return Object.entries((min ?? {}) as Quantities).flatMap(([name, least]) => {
    const sentence = `minimum ${name} usage per ${type} is ${least}`;
    const [request, limit, enforced] = [requests.get(name), limits.get(name), toAmount(least).nanos];
    if (!request) return [`${sentence}.  No request is specified`];
    if (request.nanos < enforced) return [`${sentence}, but request is ${formatAmount(request)}`];
    if (limit && limit.nanos < enforced) return [`${sentence}, but limit is ${formatAmount(limit)}`];
    return [];
  });
}

function maxErrors({ type, max }: Item, { requests, limits }: Asked): string[] {
  return Object.entries((max ?? {}) as Quantities).flatMap(([name, most]) => {
    const sentence = `maximum ${name} usage per ${type} is ${most}`;
    const [request, limit, enforced] = [requests.get(name), limits.get(name), toAmount(most).nanos];
    if (!limit) return [`${sentence}.  No limit is specified`];
    if (limit.nanos > enforced) return [`${sentence}, but limit is ${formatAmount(limit)}`];
    if (request && request.nanos > enforced) return [`${sentence}, but request is ${formatAmount(request)}`];
    return [];
  });
}

/** Claims have requests alone. */
function claimMaxErrors({ type, max }: Item, requests: Amounts): string[] {
  return Object.entries((max ?? {}) as Quantities).flatMap(([name, most]) => {
    const request = requests.get(name);
    if (!request || request.nanos <= toAmount(most).nanos) return [];
    return [`maximum ${name} usage per ${type} is ${most}, but request is ${formatAmount(request)}`];
  });
}

function ratioErrors({ type, maxLimitRequestRatio }: Item, { requests, limits }: Asked): string[] {
  return Object.entries((maxLimitRequestRatio ?? {}) as Quantities).flatMap(([name, most]) => {
    const sentence = `${name} max limit to request ratio per ${type} is ${most}`;
    const [request, limit] = [requests.get(name)?.nanos ?? 0n, limits.get(name)?.nanos ?? 0n];
    if (request === 0n) return [`${sentence}, but no request is specified or request is 0`];
    if (limit === 0n) return [`${sentence}, but no limit is specified or limit is 0`];
    const ratio = Number(limit) / Number(request);
    return ratio <= Number(toAmount(most).nanos) / 1e9
      ? []
      : [`${sentence}, but provided ratio is ${ratio.toFixed(6)}`];
  });
}
