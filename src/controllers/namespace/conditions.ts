import type { Resource } from '../../api/resource.ts';
import type { Namespace } from '../../api/types.ts';
import { timestamp } from '../../lib/clock.ts';

/** What a namespace still has of one kind. */
export interface Remains {
  readonly resource: Pick<Resource, 'group' | 'plural'>;
  readonly count: number;
  /** Finalizer → in how many objects it is. */
  readonly finalizers: ReadonlyMap<string, number>;
  /** Why its objects could not be deleted. */
  readonly error?: string | undefined;
}

type Condition = NonNullable<NonNullable<Namespace['status']>['conditions']>[number];
type Finding = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** The conditions of a namespace that is being emptied. Pure. */
export function terminatingConditions(namespace: Namespace, remains: readonly Remains[], now: number): Condition[] {
  const old = namespace.status?.conditions ?? [];
  const findings = [...DISCOVERED, deletion(remains), content(remains), finalizers(remains)];
  return findings.map(({ type, status, reason, message }) => {
    const before = old.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timestamp(now);
    return { type, status, lastTransitionTime, reason, message };
  });
}

/** Kinds are known to the program, or by definitions that it follows. */
const DISCOVERED: readonly Finding[] = [
  {
    type: 'NamespaceDeletionDiscoveryFailure',
    status: 'False',
    reason: 'ResourcesDiscovered',
    message: 'All resources successfully discovered',
  },
  {
    type: 'NamespaceDeletionGroupVersionParsingFailure',
    status: 'False',
    reason: 'ParsedGroupVersions',
    message: 'All legacy kube types successfully parsed',
  },
];

function deletion(remains: readonly Remains[]): Finding {
  const type = 'NamespaceDeletionContentFailure';
  const errors = remains.map(({ error }) => error).filter((error) => error !== undefined);
  if (errors.length > 0) {
    const message = `Failed to delete all resource types, ${errors.length} remaining: ${errors.sort().join(', ')}`;
    return { type, status: 'True', reason: 'ContentDeletionFailed', message };
  }
  const message = 'All content successfully deleted, may be waiting on finalization';
  return { type, status: 'False', reason: 'ContentDeleted', message };
}

function content(remains: readonly Remains[]): Finding {
  const type = 'NamespaceContentRemaining';
  const left = remains.filter(({ count }) => count > 0);
  if (left.length === 0) {
    return { type, status: 'False', reason: 'ContentRemoved', message: 'All content successfully removed' };
  }
  const texts = left.map(
    ({ resource, count }) => `${resource.plural}.${resource.group} has ${count} resource instances`,
  );
  const message = `Some resources are remaining: ${texts.sort().join(', ')}`;
  return { type, status: 'True', reason: 'SomeResourcesRemain', message };
}

function finalizers(remains: readonly Remains[]): Finding {
  const type = 'NamespaceFinalizersRemaining';
  const counts = new Map<string, number>();
  for (const { finalizers: found } of remains) {
    for (const [name, count] of found) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  if (counts.size === 0) {
    const message = 'All content-preserving finalizers finished';
    return { type, status: 'False', reason: 'ContentHasNoFinalizers', message };
  }
  const texts = [...counts].map(([name, count]) => `${name} in ${count} resource instances`);
  const message = `Some content in the namespace has finalizers remaining: ${texts.sort().join(', ')}`;
  return { type, status: 'True', reason: 'SomeFinalizersRemain', message };
}
