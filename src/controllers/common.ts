import { isDeepStrictEqual } from 'node:util';
import { isAlreadyExists, isConflict, isNotFound } from '../api/errors.ts';
import { apiVersion, type Resource } from '../api/resource.ts';
import type { KubeObject, OwnerReference, Pod } from '../api/types.ts';

/** The reference that makes `owner` the controller of an object. */
export function controllerRef(
  resource: Pick<Resource, 'group' | 'version' | 'kind'>,
  owner: KubeObject,
): OwnerReference {
  const { name, uid } = owner.metadata;
  return {
    apiVersion: apiVersion(resource),
    kind: resource.kind,
    name,
    uid: uid!,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** The owner that controls an object. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller);
}

export function isPodReady(pod: Pod): boolean {
  return (
    pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
  );
}

/** When a ready pod became so, in ms since the epoch; 0 when it does not say. */
export function readySince(pod: Pod): number {
  const ready = pod.status?.conditions?.find((condition) => condition.type === 'Ready');
  return Date.parse(ready?.lastTransitionTime ?? '') || 0;
}

/** Neither finished nor on its way out. */
export function isPodActive(pod: Pod): boolean {
  return !isPodFinished(pod) && !pod.metadata.deletionTimestamp;
}

/** True when two values say the same, whatever the order of their keys; absent and undefined are alike. */
export function sameContent(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(plain(a), plain(b));
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

/** For writes to what may have gone or changed meanwhile: the cache will show it, and its change is looked at anew. */
export function ignoreGone(error: unknown): void {
  if (!isNotFound(error) && !isConflict(error)) throw error;
}

export function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}

export function ignoreExists(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}

/** An absolute number, or a percentage of `of`. */
export function amount(
  value: number | string,
  { of, round }: { of: number; round: (value: number) => number },
): number {
  if (typeof value === 'number') return value;
  return value.endsWith('%') ? round((of * Number.parseInt(value, 10)) / 100) : Number(value);
}

/** Fields that are zero are left out, as Go's `omitempty` does. */
export function omitZero<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== 0 && value !== undefined),
  ) as Partial<T>;
}

/** One of `status.conditions`. */
export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export function findCondition<T extends { type: string }>(
  conditions: readonly T[] | undefined,
  type: string,
): T | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Ready for `minReadySeconds`: 0 or less. Infinity while a pod is not ready. In ms. */
export function availableInMs(pod: Pod, minReadySeconds: number | undefined, now: number): number {
  if (!isPodReady(pod)) return Infinity;
  return minReadySeconds ? readySince(pod) + minReadySeconds * 1000 - now : 0;
}

/** The shortest wait until another pod is available; undefined when none is on its way. In ms. */
export function nextAvailableIn(
  pods: readonly Pod[],
  minReadySeconds: number | undefined,
  now: number,
): number | undefined {
  const waits = pods.map((pod) => availableInMs(pod, minReadySeconds, now)).filter((ms) => ms > 0 && ms < Infinity);
  return waits.length > 0 ? Math.min(...waits) : undefined;
}

/** Succeeded or failed: its containers will not run again. */
export function isPodFinished({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
