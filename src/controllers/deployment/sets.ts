import { deployments } from '../../api/kinds/deployment.ts';
import type { Deployment, New, ReplicaSet } from '../../api/types.ts';
import { controllerRef, sameContent } from '../common.ts';
import { stableHash } from '../hash.ts';

export const HASH_LABEL = 'pod-template-hash';
export const REVISION = 'deployment.kubernetes.io/revision';
/** Revisions that a ReplicaSet had before the present one, comma-separated. */
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
/** The Deployment's size when a ReplicaSet was last scaled, and that with its surge. */
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
const HISTORY_CHARACTERS = 2000;

const NOT_COPIED = [
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
];

type Template = NonNullable<ReplicaSet['spec']>['template'];

/** Stays the same as long as the template does; a collision count makes another. */
export function templateHash({ spec, status }: Deployment): string {
  return stableHash(spec!.template, status?.collisionCount);
}

/** The oldest ReplicaSet that has the Deployment's template. */
export function findCurrent(deployment: Deployment, owned: readonly ReplicaSet[]): ReplicaSet | undefined {
  return owned.toSorted(byAge).find((set) => hasTemplate(set, deployment));
}

export function hasTemplate(set: ReplicaSet, deployment: Deployment): boolean {
  return sameContent(withoutHash(set.spec?.template), withoutHash(deployment.spec!.template));
}

function withoutHash(template: Template): unknown {
  const { [HASH_LABEL]: _hash, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
}

/** Oldest first. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const created = (set: ReplicaSet) => Date.parse(set.metadata.creationTimestamp ?? '') || 0;
  return created(a) - created(b) || (a.metadata.name < b.metadata.name ? -1 : 1);
}

export function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[REVISION] ?? 0) || 0;
}

/** The revision of the present template: above those of all others. */
export function nextRevision(others: readonly ReplicaSet[]): number {
  return Math.max(0, ...others.map(revisionOf)) + 1;
}

/** What a ReplicaSet of the present template is annotated with: the Deployment's own, and its revisions. */
export function setAnnotations(
  deployment: Deployment,
  { old = {}, revision }: { old?: Record<string, string> | undefined; revision: number },
): Record<string, string> {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.includes(key));
  const annotations = { ...old, ...Object.fromEntries(copied) };
  const before = Number(old[REVISION] ?? 0) || 0;
  if (before >= revision) return annotations;
  annotations[REVISION] = String(revision);
  if (before === 0) return annotations;
  const history = [...(old[REVISION_HISTORY]?.split(',') ?? []), String(before)];
  while (history.length > 1 && history.join(',').length > HISTORY_CHARACTERS) history.shift();
  annotations[REVISION_HISTORY] = history.join(',');
  return annotations;
}

/** What a ReplicaSet remembers of the Deployment's size: shares are computed from it when that changes. */
export function sizeAnnotations(desired: number, maxSurge: number): Record<string, string> {
  return { [DESIRED_REPLICAS]: String(desired), [MAX_REPLICAS]: String(desired + maxSurge) };
}

/** The ReplicaSet of the present template. */
export function newSet(
  deployment: Deployment,
  { replicas, annotations }: { replicas: number; annotations: Record<string, string> },
): New<ReplicaSet> {
  const { name, namespace } = deployment.metadata;
  const hash = templateHash(deployment);
  const template = structuredClone(deployment.spec!.template);
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [HASH_LABEL]: hash } };
  const selector = structuredClone(deployment.spec!.selector);
  selector.matchLabels = { ...selector.matchLabels, [HASH_LABEL]: hash };
  return {
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels: template.metadata.labels as Record<string, string>,
      annotations,
      ownerReferences: [controllerRef(deployments, deployment)],
    },
    spec: { replicas, minReadySeconds: deployment.spec!.minReadySeconds, selector, template },
  };
}
