import { type Amount, toAmount, ZERO } from '../quantity.ts';
import type { Resource } from '../resource.ts';
import type { KubeObject, PersistentVolumeClaim, Pod, ResourceQuota, Service } from '../types.ts';
import { type Amounts, podTotals } from './pod-usage.ts';
import { inScope } from './scopes.ts';

/** Names that count objects without the prefix `count/`. */
const COUNTED = [
  'configmaps',
  'persistentvolumeclaims',
  'pods',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
];
const STORAGE_CLASS = '.storageclass.storage.k8s.io/';
const ONE: Amount = { nanos: 10n ** 9n, binary: false };

/** What an object uses of every resource that a quota can limit. */
export function usageOf(resource: Pick<Resource, 'group' | 'plural'>, object: KubeObject): Amounts {
  const { group, plural } = resource;
  const usage: Amounts = new Map([[`count/${group === '' ? plural : `${plural}.${group}`}`, ONE]]);
  if (group !== '') return usage;
  if (plural === 'pods') return podUsage(object as Pod, usage);
  if (COUNTED.includes(plural)) usage.set(plural, ONE);
  if (plural === 'services') serviceUsage(object as Service, usage);
  if (plural === 'persistentvolumeclaims') claimUsage(object as PersistentVolumeClaim, usage);
  return usage;
}

/** A pod that has finished uses nothing but its place among the objects. */
function podUsage(pod: Pod, usage: Amounts): Amounts {
  const { phase } = pod.status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed' || !pod.spec) return usage;
  usage.set('pods', ONE);
  for (const [name, amount] of podTotals(pod.spec, 'requests')) {
    usage.set(`requests.${name}`, amount);
    if (['cpu', 'memory', 'ephemeral-storage'].includes(name) || name.startsWith('hugepages-')) usage.set(name, amount);
  }
  for (const [name, amount] of podTotals(pod.spec, 'limits')) usage.set(`limits.${name}`, amount);
  return usage;
}

function serviceUsage({ spec }: Service, usage: Amounts): void {
  const ports = BigInt(spec?.ports?.length ?? 0);
  const balanced = spec?.type === 'LoadBalancer';
  const allocated = spec?.type === 'NodePort' || (balanced && spec.allocateLoadBalancerNodePorts !== false);
  usage.set('services.loadbalancers', balanced ? ONE : ZERO);
  usage.set('services.nodeports', allocated ? { nanos: ports * ONE.nanos, binary: false } : ZERO);
}

function claimUsage({ spec }: PersistentVolumeClaim, usage: Amounts): void {
  const storage = toAmount(spec?.resources?.requests?.['storage'] ?? 0);
  usage.set('requests.storage', storage);
  if (!spec?.storageClassName) return;
  usage.set(`${spec.storageClassName}${STORAGE_CLASS}requests.storage`, storage);
  usage.set(`${spec.storageClassName}${STORAGE_CLASS}persistentvolumeclaims`, ONE);
}

/** The kind that a resource of a quota counts, as `plural` and `group`. */
export function countedKind(name: string): { plural: string; group: string } {
  if (name.startsWith('count/')) {
    const [plural = '', ...group] = name.slice('count/'.length).split('.');
    return { plural, group: group.join('.') };
  }
  if (name === 'requests.storage' || name.includes(STORAGE_CLASS))
    return { plural: 'persistentvolumeclaims', group: '' };
  if (name.startsWith('services.')) return { plural: 'services', group: '' };
  return { plural: COUNTED.includes(name) ? name : 'pods', group: '' };
}

/** What an object uses of the resources that a quota limits. */
export function limitedUsage(
  quota: ResourceQuota,
  kind: { readonly group: string; readonly plural: string },
  object: KubeObject,
): Amounts {
  if (!inScope(quota, object)) return new Map();
  const hard = quota.spec?.hard ?? {};
  return new Map([...usageOf(kind, object)].filter(([resource]) => hard[resource] !== undefined));
}
