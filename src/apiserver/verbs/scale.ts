import { invalid } from '../../api/errors.ts';
import { invalidValue } from '../../api/field-error.ts';
import type { Resource } from '../../api/resource.ts';
import { formatLabelSelector, type LabelSelectorObject } from '../../api/selectors.ts';
import type { KubeObject } from '../../api/types.ts';

/** `autoscaling/v1 Scale` of an object. */
export function scaleOf(resource: Resource, object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const paths = resource.scale!;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: (read(object, paths.specReplicas) as number | undefined) ?? 0 },
    status: {
      replicas: (read(object, paths.statusReplicas) as number | undefined) ?? 0,
      selector: selectorText(paths.selector && read(object, paths.selector)),
    },
  } as KubeObject;
}

/** A ReplicationController's selector is a plain map of labels. */
function selectorText(selector: unknown): string {
  if (typeof selector === 'string') return selector;
  const values = Object.values((selector ?? {}) as object);
  const isMap = values.length > 0 && values.every((value) => typeof value === 'string');
  return formatLabelSelector(
    isMap ? { matchLabels: selector as Record<string, string> } : (selector as LabelSelectorObject),
  );
}

/** The object with the replicas of a wanted Scale. Throws Invalid. */
export function withScale(resource: Resource, object: KubeObject, scale: object): KubeObject {
  const wanted = scale as { spec?: { replicas?: unknown }; metadata?: { resourceVersion?: string } };
  const replicas = wanted.spec?.replicas ?? 0;
  if (!Number.isInteger(replicas) || (replicas as number) < 0) {
    const error = invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0');
    throw invalid({ group: 'autoscaling', kind: 'Scale' }, object.metadata.name, [error]);
  }
  const path = resource.scale!.specReplicas;
  let parent = object as unknown as Record<string, unknown>;
  for (const key of path.slice(0, -1)) {
    parent[key] ??= {};
    parent = parent[key] as Record<string, unknown>;
  }
  parent[path.at(-1)!] = replicas;
  object.metadata.resourceVersion = wanted.metadata?.resourceVersion;
  return object;
}

function read(object: unknown, path: readonly string[]): unknown {
  return path.reduce((value, key) => (value as Record<string, unknown> | undefined)?.[key], object);
}
