import type { Node, Pod } from '../api/types.ts';
import { ClusterState, type ClusterStateOptions } from './cluster-state.ts';
import { type PodInfo, toPodInfo } from './pod-info.ts';

export type PodSpec = NonNullable<Pod['spec']>;
type Loose<T> = { [K in keyof T]?: unknown };

export function node(
  name: string,
  changes: { labels?: Record<string, string>; spec?: object; allocatable?: object } = {},
): Node {
  const labels = { 'kubernetes.io/hostname': name, ...changes.labels };
  const allocatable = { cpu: '2', memory: '4Gi', pods: '3', ...changes.allocatable };
  const spec = changes.spec ?? {};
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec, status: { allocatable } } as Node;
}

export interface PodOptions extends Loose<PodSpec> {
  node?: string;
  namespace?: string;
  labels?: Record<string, string>;
  owner?: string;
  requests?: Record<string, string>;
  ending?: boolean;
  startTime?: string;
}

export function pod(name: string, options: PodOptions = {}): Pod {
  const { node, namespace = 'default', labels = {}, owner, requests, ending, startTime, ...spec } = options;
  const ownerReferences = owner
    ? [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }]
    : [];
  const deletion = ending ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {};
  const containers = [{ name: 'c', image: 'i', resources: { requests: requests ?? {} } }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, uid: name, labels, ownerReferences, ...deletion },
    spec: { containers, nodeName: node, ...spec },
    status: { startTime },
  } as unknown as Pod;
}

export function info(name: string, options: PodOptions = {}): PodInfo {
  return toPodInfo(pod(name, options));
}

/** Nodes with the pods that say which of them they are on. */
export function stateOf(
  nodes: readonly Node[],
  pods: readonly Pod[] = [],
  sources: Partial<ClusterStateOptions> = {},
): ClusterState {
  const state = new ClusterState({ namespaceLabels: () => ({}), serviceSelectors: () => [], ...sources });
  for (const one of nodes) state.setNode(one);
  for (const one of pods) state.addPod(toPodInfo(one), one.spec!.nodeName!);
  return state;
}
