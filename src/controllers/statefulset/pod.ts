import { statefulSets } from '../../api/kinds/statefulset.ts';
import type { New, OwnerReference, PersistentVolumeClaim, Pod, StatefulSet } from '../../api/types.ts';
import { controllerRef } from '../common.ts';
import { REVISION_LABEL } from '../history.ts';
import type { PodTemplate } from '../podcontrol.ts';
import { isWanted, ordinalOf } from './plan.ts';

/** The pod of an ordinal: its name, its host name and its claims are its own. Pure. */
export function statefulPod(
  set: StatefulSet,
  { ordinal, template, revision }: { ordinal: number; template: PodTemplate; revision: string },
): New<Pod> {
  const name = `${set.metadata.name}-${ordinal}`;
  const metadata = structuredClone(template.metadata ?? {}) as Pod['metadata'];
  const spec = structuredClone(template.spec!);
  const claims = claimTemplates(set);
  const own = new Set(claims.map((claim) => claim.metadata?.name));
  const volumes = [
    ...claims.map((claim) => ({
      name: claim.metadata!.name!,
      persistentVolumeClaim: { claimName: claimName(set, claim, ordinal) },
    })),
    ...(spec.volumes ?? []).filter((volume) => !own.has(volume.name)),
  ];
  return {
    metadata: {
      ...metadata,
      name,
      namespace: set.metadata.namespace,
      labels: {
        ...metadata.labels,
        'statefulset.kubernetes.io/pod-name': name,
        'apps.kubernetes.io/pod-index': String(ordinal),
        [REVISION_LABEL]: revision,
      },
      ownerReferences: [controllerRef(statefulSets, set)],
    },
    spec: {
      ...spec,
      hostname: name,
      ...(set.spec?.serviceName ? { subdomain: set.spec.serviceName } : {}),
      ...(volumes.length > 0 ? { volumes } : {}),
    },
  };
}

type ClaimTemplate = NonNullable<NonNullable<StatefulSet['spec']>['volumeClaimTemplates']>[number];

function claimTemplates({ spec }: StatefulSet): readonly ClaimTemplate[] {
  return spec?.volumeClaimTemplates ?? [];
}

function claimName(set: StatefulSet, template: ClaimTemplate, ordinal: number): string {
  return `${template.metadata!.name}-${set.metadata.name}-${ordinal}`;
}

/** Names of the claims of an ordinal. */
export function claimNames(set: StatefulSet, ordinal: number): string[] {
  return claimTemplates(set).map((template) => claimName(set, template, ordinal));
}

/** The claims of an ordinal, which outlive its pod. */
export function statefulClaims(set: StatefulSet, ordinal: number): New<PersistentVolumeClaim>[] {
  return claimTemplates(set).map((template) => {
    const owners = claimOwners(set, undefined);
    return {
      metadata: {
        name: claimName(set, template, ordinal),
        namespace: set.metadata.namespace,
        labels: { ...template.metadata?.labels, ...set.spec?.selector.matchLabels } as Record<string, string>,
        annotations: template.metadata?.annotations as Record<string, string>,
        ...(owners.length > 0 ? { ownerReferences: owners } : {}),
      },
      spec: structuredClone(template.spec!),
    };
  });
}

/** Whose end a claim shares (`persistentVolumeClaimRetentionPolicy`): the set's, or that of a pod that scaling takes away. */
export function claimOwners(set: StatefulSet, pod: Pod | undefined): OwnerReference[] {
  const { whenDeleted, whenScaled } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
  const { name, uid } = set.metadata;
  if (pod && whenScaled === 'Delete' && ordinalOf(set, pod) !== undefined && !isWanted(set, pod)) {
    return [{ apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid: pod.metadata.uid! }];
  }
  return whenDeleted === 'Delete'
    ? [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name, uid: uid!, controller: true }]
    : [];
}

/** True for a reference that {@link claimOwners} answers. */
export function isClaimOwner(set: StatefulSet, { kind, name, uid }: OwnerReference): boolean {
  if (kind === 'StatefulSet') return uid === set.metadata.uid;
  return kind === 'Pod' && name.startsWith(`${set.metadata.name}-`);
}
