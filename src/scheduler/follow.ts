import { namespaces } from '../api/kinds/namespace.ts';
import { nodes } from '../api/kinds/node.ts';
import { persistentVolumes } from '../api/kinds/persistentvolume.ts';
import { persistentVolumeClaims } from '../api/kinds/persistentvolumeclaim.ts';
import { pods } from '../api/kinds/pod.ts';
import { podDisruptionBudgets } from '../api/kinds/poddisruptionbudget.ts';
import { services } from '../api/kinds/service.ts';
import { storageClasses } from '../api/kinds/storageclass.ts';
import type { Resource } from '../api/resource.ts';
import { selects } from '../api/selectors.ts';
import type { KubeObject, Node, Pod } from '../api/types.ts';
import type { Informers } from '../client/informer.ts';
import type { ClusterState, ClusterStateOptions } from './cluster-state.ts';
import type { PodInfo } from './pod-info.ts';
import type { Budget } from './preempt.ts';
import { claimNames } from './volumes.ts';

export interface FollowOptions {
  informers: Informers;
  state: ClusterState;
  events: { seen(pod: Pod): void; gone(pod: Pod): void };
  /** Something that may help waiting pods has happened. */
  retry: (concerns?: (info: PodInfo) => boolean) => void;
}

export function clusterStateSources(informers: Informers): ClusterStateOptions {
  return {
    namespaceLabels: (name) => informers.of(namespaces).get(name)?.metadata.labels,
    serviceSelectors: (namespace) =>
      informers
        .of(services)
        .list(namespace)
        .map(({ spec }) => spec?.selector ?? {}),
  };
}

/** What disruption budgets still allow. */
export function budgetsOf(informers: Informers): Budget[] {
  const all = informers.of(podDisruptionBudgets).list();
  return all.map(({ metadata, spec, status }) => ({
    allowed: status?.disruptionsAllowed ?? 0,
    covers: (info) => info.namespace === metadata.namespace && selects(spec?.selector, info.labels),
  }));
}

/** Keeps a scheduler's picture of the cluster current. Resolves when it is complete. */
export async function followCluster(options: FollowOptions): Promise<void> {
  const { informers } = options;
  const kinds = [nodes, pods, namespaces, services, persistentVolumes, persistentVolumeClaims, storageClasses];
  const all = [...kinds, podDisruptionBudgets] as unknown as Resource<KubeObject>[];
  await Promise.all(all.map((kind) => informers.of(kind).whenSynced()));
  followNodes(options);
  followPods(options);
  followNamespaces(options);
  const hasClaims = ({ pod }: PodInfo) => claimNames(pod).length > 0;
  for (const kind of [persistentVolumes, persistentVolumeClaims, storageClasses]) {
    informers.of(kind as unknown as Resource<KubeObject>).subscribe(() => options.retry(hasClaims));
  }
}

function followNodes({ informers, state, retry }: FollowOptions): void {
  informers.of(nodes).subscribe((change) => {
    const { object } = change;
    if (change.type === 'deleted') return state.removeNode(object.metadata.name);
    if (change.type === 'updated' && schedulingText(change.old) === schedulingText(object)) return;
    state.setNode(object);
    retry();
  });
}

/** What of a node scheduling depends on: heartbeats are no reason to try again. */
function schedulingText({ metadata, spec, status }: Node): string {
  return JSON.stringify([metadata.labels, spec, status?.allocatable]);
}

function followPods({ informers, events, retry }: FollowOptions): void {
  informers.of(pods).subscribe((change) => {
    const { object } = change;
    if (change.type === 'updated' && sameForScheduling(change.old, object)) return;
    if (change.type === 'deleted') events.gone(object);
    else events.seen(object);
    if (!object.spec?.nodeName) return;
    // A pod that comes may be what others want to be with; one that goes leaves room.
    if (change.type === 'deleted' || isFinished(object)) retry();
    else retry((info) => info.affinity.length > 0 || info.spreadRequired.length > 0);
  });
}

function sameForScheduling(old: Pod, now: Pod): boolean {
  return (
    old.spec?.nodeName === now.spec?.nodeName &&
    isFinished(old) === isFinished(now) &&
    old.metadata.deletionTimestamp === now.metadata.deletionTimestamp &&
    old.metadata.uid === now.metadata.uid &&
    old.metadata.generation === now.metadata.generation &&
    JSON.stringify([old.spec?.schedulingGates, old.metadata.labels]) ===
      JSON.stringify([now.spec?.schedulingGates, now.metadata.labels])
  );
}

function isFinished({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

function followNamespaces({ informers, state, retry }: FollowOptions): void {
  informers.of(namespaces).subscribe((change) => {
    const labels = (object: KubeObject) => JSON.stringify(object.metadata.labels);
    if (change.type === 'updated' && labels(change.old) === labels(change.object)) return;
    state.namespacesChanged();
    retry((info) => info.affinity.length > 0 || info.antiAffinity.length > 0);
  });
}
