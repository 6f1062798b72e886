import type { Pod } from '../../api/types.ts';
import type { KeyValue, Store } from '../../store/store.ts';
import { keyPrefix, objectOf } from '../objects.ts';

/** What a pod makes its node read. */
export type NodeResource = 'pods' | 'secrets' | 'configmaps' | 'persistentvolumeclaims' | 'serviceaccounts';

type PodSpec = NonNullable<Pod['spec']>;
type Reference = readonly [resource: NodeResource, name: string];

const PODS = keyPrefix({ group: '', plural: 'pods' });

/** Which objects the pods of a node refer to; kept current by a watch on pods. */
export class NodeGraph {
  /** Node → `resource namespace/name` → how many pods refer to it. */
  readonly #references = new Map<string, Map<string, number>>();

  constructor(store: Store) {
    store.watch(PODS, 0, ({ previous, current }) => {
      const before = previous && podOf(previous);
      const after = current && podOf(current);
      // What a pod refers to is fixed; only a first node, and the end, change anything.
      if (before?.spec?.nodeName === after?.spec?.nodeName) return;
      if (before) this.#count(before, -1);
      if (after) this.#count(after, 1);
    });
    for (const item of store.list(PODS).items) this.#count(podOf(item), 1);
  }

  /** Whether a pod on `node` is, or refers to, that object. */
  reaches(node: string, at: { resource: NodeResource; namespace: string; name: string }): boolean {
    return this.#references.get(node)?.has(keyOf(at.resource, at.namespace, at.name)) ?? false;
  }

  #count(pod: Pod, by: 1 | -1): void {
    const node = pod.spec?.nodeName;
    if (!node) return;
    const counts = this.#references.get(node) ?? new Map<string, number>();
    this.#references.set(node, counts);
    for (const [resource, name] of podReferences(pod)) {
      const key = keyOf(resource, pod.metadata.namespace ?? '', name);
      const count = (counts.get(key) ?? 0) + by;
      if (count > 0) counts.set(key, count);
      else counts.delete(key);
    }
    if (counts.size === 0) this.#references.delete(node);
  }
}

function podOf(item: KeyValue): Pod {
  return objectOf(item) as Pod;
}

function keyOf(resource: string, namespace: string, name: string): string {
  return `${resource} ${namespace}/${name}`;
}

/** The pod itself and all that its containers need from its namespace, each once. */
export function podReferences(pod: Pod): Reference[] {
  const { spec } = pod;
  if (!spec) return [];
  const all: [NodeResource, string | undefined][] = [
    ['pods', pod.metadata.name],
    ['serviceaccounts', spec.serviceAccountName],
    ...(spec.imagePullSecrets ?? []).map(({ name }): [NodeResource, string | undefined] => ['secrets', name]),
    ...volumeReferences(pod.metadata.name, spec),
    ...environmentReferences(spec),
  ];
  const named = all.filter((entry): entry is [NodeResource, string] => Boolean(entry[1]));
  return [...new Map(named.map((entry) => [entry.join(' '), entry])).values()];
}

function volumeReferences(podName: string, { volumes = [] }: PodSpec): [NodeResource, string | undefined][] {
  return volumes.flatMap((volume): [NodeResource, string | undefined][] => [
    ['secrets', volume.secret?.secretName],
    ['configmaps', volume.configMap?.name],
    ['persistentvolumeclaims', volume.persistentVolumeClaim?.claimName],
    ['persistentvolumeclaims', volume.ephemeral && `${podName}-${volume.name}`],
    ['secrets', volume.csi?.nodePublishSecretRef?.name],
    ...(volume.projected?.sources ?? []).flatMap(({ secret, configMap }): [NodeResource, string | undefined][] => [
      ['secrets', secret?.name],
      ['configmaps', configMap?.name],
    ]),
  ]);
}

function environmentReferences(spec: PodSpec): [NodeResource, string | undefined][] {
  const containers = [...spec.containers, ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])];
  return containers.flatMap(({ env = [], envFrom = [] }) => [
    ...env.flatMap(({ valueFrom }): [NodeResource, string | undefined][] => [
      ['secrets', valueFrom?.secretKeyRef?.name],
      ['configmaps', valueFrom?.configMapKeyRef?.name],
    ]),
    ...envFrom.flatMap(({ secretRef, configMapRef }): [NodeResource, string | undefined][] => [
      ['secrets', secretRef?.name],
      ['configmaps', configMapRef?.name],
    ]),
  ]);
}
