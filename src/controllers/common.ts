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

/** Neither finished nor on its way out. */
export function isPodActive(pod: Pod): boolean {
  return pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed' && !pod.metadata.deletionTimestamp;
}

/** An object without what the server writes, as text: equal texts need no write. */
export function contentOf(object: unknown): string {
  return JSON.stringify(object);
}
