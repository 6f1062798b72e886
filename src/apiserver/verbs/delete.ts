import { conflict, notFound } from '../../api/errors.ts';
import type { KubeObject, Pod } from '../../api/types.ts';
import { timestamp } from '../../lib/clock.ts';
import { type KeyValue, MismatchError } from '../../store/store.ts';
import type { AdmissionContext } from '../admission.ts';
import { stepsOf, validateByPlugins } from '../admit.ts';
import type { VerbContext } from '../context.ts';
import { keyOf, objectOf, putObject } from '../objects.ts';
import type { Target } from '../route.ts';

/** `metav1.DeleteOptions`. */
export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: string;
  orphanDependents?: boolean;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: string[];
}

export interface Deleted {
  object: KubeObject;
  /** False: it waits for its grace period or its finalizers. */
  gone: boolean;
}

const TRIES = 30;

/** Deletes at once, or marks the object when a grace period or finalizers must end first. */
export async function deleteObject(
  context: VerbContext,
  target: Target,
  options: DeleteOptions,
  by: Pick<AdmissionContext, 'user' | 'warn'>,
): Promise<Deleted> {
  const key = keyOf(target.resource, target);
  for (let tries = 1; ; tries++) {
    const item = context.store.head(key);
    if (!item) throw notFound(target.resource, target.name);
    checkPreconditions(target, objectOf(item), options);
    try {
      return await deleteOnce(context, { target, key, item }, { ...options, by });
    } catch (error) {
      if (!(error instanceof MismatchError)) throw error;
      if (tries === TRIES) throw conflict(target.resource, target.name);
    }
  }
}

function checkPreconditions(target: Target, object: KubeObject, { preconditions }: DeleteOptions): void {
  const { uid, resourceVersion } = preconditions ?? {};
  if (uid && uid !== object.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${object.metadata.uid}`;
    throw conflict(target.resource, target.name, why);
  }
  if (resourceVersion && resourceVersion !== object.metadata.resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${object.metadata.resourceVersion}`;
    throw conflict(target.resource, target.name, why);
  }
}

interface Place {
  readonly target: Target;
  readonly key: string;
  readonly item: KeyValue;
}

async function deleteOnce(
  context: VerbContext,
  { target, key, item }: Place,
  options: DeleteOptions & { by: Pick<AdmissionContext, 'user' | 'warn'> },
): Promise<Deleted> {
  const old = objectOf(item);
  const marked = markDeleted(old, { ...options, now: context.clock.now() });
  const dryRun = (options.dryRun?.length ?? 0) > 0;
  const by = { ...options.by, dryRun };
  for (const step of stepsOf(context, target.resource)) step.delete?.(old, by);
  await validateByPlugins(context, { operation: 'DELETE', target, old }, by);
  if (!marked) {
    if (!dryRun) {
      await context.store.delete(key, item.modRevision);
      for (const step of stepsOf(context, target.resource)) step.committed?.(undefined, old);
    }
    return { object: old, gone: true };
  }
  if (!dryRun && marked !== old) await putObject(context.store, { key, object: marked, expected: item.modRevision });
  return { object: marked, gone: false };
}

/** The object as it waits for its end; undefined when it may go at once. Pure. */
export function markDeleted(old: KubeObject, options: DeleteOptions & { now: number }): KubeObject | undefined {
  const grace = graceSeconds(old, options.gracePeriodSeconds);
  const finalizers = withPolicy(old.metadata.finalizers ?? [], options);
  const held = finalizers.length > 0 || (old.kind === 'Namespace' && namespaceFinalizers(old).length > 0);
  if (grace === 0 && !held) return undefined;
  const before = old.metadata.deletionGracePeriodSeconds;
  const later = old.metadata.deletionTimestamp !== undefined && (before ?? 0) <= grace;
  const same = finalizers.length === (old.metadata.finalizers?.length ?? 0);
  if (later && same) return old;
  const object = structuredClone(old);
  if (finalizers.length > 0) object.metadata.finalizers = finalizers;
  if (!later) {
    object.metadata.deletionTimestamp = timestamp(options.now + grace * 1000);
    object.metadata.deletionGracePeriodSeconds = grace;
  }
  if (object.kind === 'Namespace') (object as { status?: unknown }).status = { phase: 'Terminating' };
  return object;
}

/** Only pods have a grace period, and only while a node runs them. */
function graceSeconds(object: KubeObject, asked: number | undefined): number {
  if (object.kind !== 'Pod') return 0;
  const { spec, status } = object as Pod;
  const finished = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (!spec?.nodeName || finished) return 0;
  return Math.max(0, asked ?? spec.terminationGracePeriodSeconds ?? 30);
}

function withPolicy(finalizers: readonly string[], { propagationPolicy, orphanDependents }: DeleteOptions): string[] {
  const others = finalizers.filter((name) => name !== 'orphan' && name !== 'foregroundDeletion');
  if (propagationPolicy === 'Orphan' || orphanDependents === true) return [...others, 'orphan'];
  if (propagationPolicy === 'Foreground') return [...others, 'foregroundDeletion'];
  return propagationPolicy === 'Background' ? others : [...finalizers];
}

function namespaceFinalizers(object: KubeObject): readonly string[] {
  return (object as { spec?: { finalizers?: string[] } }).spec?.finalizers ?? [];
}
