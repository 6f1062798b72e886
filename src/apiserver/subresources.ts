import { badRequest, conflict } from '../api/errors.ts';
import { isObject } from '../api/patch/merge.ts';
import type { KubeObject, Namespace, Pod } from '../api/types.ts';
import { timestamp } from '../lib/clock.ts';

/** Subresources that change their object in a way of their own. */
export const SUBRESOURCE_VERBS: Readonly<Record<string, 'binding' | 'eviction' | 'finalize' | undefined>> = {
  'pods/binding': 'binding',
  'pods/eviction': 'eviction',
  'namespaces/finalize': 'finalize',
};

const PODS = { group: '', plural: 'pods' };

/** The pod on the node that a `v1.Binding` names. Throws Conflict when it has one already. */
export function bindPod(object: KubeObject, options: { binding: unknown; now: number }): KubeObject {
  const pod = object as Pod;
  const target = isObject(options.binding)
    ? (options.binding['target'] as { kind?: string; name?: string } | undefined)
    : undefined;
  if (!target?.name || (target.kind ?? 'Node') !== 'Node')
    throw badRequest('target: Required value: the node to bind to');
  const { name, deletionTimestamp } = pod.metadata;
  if (deletionTimestamp) throw conflict(PODS, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod.spec!.nodeName) throw conflict(PODS, name, `pod ${name} is already assigned to node "${pod.spec!.nodeName}"`);
  pod.spec!.nodeName = target.name;
  const conditions = (pod.status?.conditions ?? []).filter((condition) => condition.type !== 'PodScheduled');
  const scheduled = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: timestamp(options.now),
  };
  pod.status = { ...pod.status, conditions: [...conditions, scheduled] } as Pod['status'];
  return pod;
}

/** The namespace with the finalizers that the request leaves. */
export function finalizeNamespace(object: KubeObject, body: unknown): KubeObject {
  const wanted = body as Partial<Namespace>;
  return { ...object, spec: { finalizers: wanted?.spec?.finalizers ?? [] } } as KubeObject;
}
