import { isDeepStrictEqual } from 'node:util';
import { resourceQuotas } from '../../api/kinds/resourcequota.ts';
import { addAmounts, ZERO } from '../../api/quantity.ts';
import type { Amounts } from '../../api/quota/pod-usage.ts';
import { countedKind, limitedUsage } from '../../api/quota/usage.ts';
import type { KubeObject, ResourceQuota } from '../../api/types.ts';
import type { Change, KeyValue, Store } from '../../store/store.ts';
import { keyPrefix, objectOf } from '../objects.ts';

interface Counted {
  readonly quota: ResourceQuota;
  /** Of the resources that the quota limits. */
  readonly used: Amounts;
}

interface Place {
  readonly group: string;
  readonly plural: string;
  readonly namespace: string;
  readonly name: string;
}

const QUOTAS = keyPrefix(resourceQuotas);

/**
 * How much of each quota is used: what is stored, counted as it changes, and what writes on their way have claimed. Only
 * namespaces with a quota cost anything.
 */
export class QuotaUsage {
  readonly #store: Store;
  /** Namespace → name of the quota → what is used. */
  readonly #counted = new Map<string, Map<string, Counted>>();
  /** Key of an object on its way → what it adds to each quota of its namespace. */
  readonly #claims = new Map<string, ReadonlyMap<string, Amounts>>();

  constructor(store: Store) {
    this.#store = store;
    store.watch('/', 0, (change) => this.#apply(change));
    for (const item of store.list(QUOTAS).items) this.#recount(objectOf(item) as ResourceQuota);
  }

  /** Quotas of a namespace with what is used of them, claims included. */
  of(namespace: string): { quota: ResourceQuota; used: Amounts }[] {
    const counted = this.#counted.get(namespace);
    if (!counted) return [];
    return [...counted.values()].map(({ quota, used }) => ({ quota, used: this.#withClaims(quota, used) }));
  }

  claim(key: string, byQuota: ReadonlyMap<string, Amounts>): void {
    this.#claims.set(key, byQuota);
  }

  release(key: string): void {
    this.#claims.delete(key);
  }

  #withClaims(quota: ResourceQuota, used: Amounts): Amounts {
    const total = new Map(used);
    const { name, namespace } = quota.metadata;
    for (const [key, byQuota] of this.#claims) {
      if (placeOf(key).namespace !== namespace) continue;
      for (const [resource, amount] of byQuota.get(name) ?? []) {
        total.set(resource, addAmounts(total.get(resource) ?? ZERO, amount));
      }
    }
    return total;
  }

  #apply({ key, previous, current }: Change): void {
    // From here on the write counts by itself.
    this.#claims.delete(key);
    const place = placeOf(key);
    for (const each of this.#counted.get(place.namespace)?.values() ?? []) {
      if (previous) addUsage(each, place, objectOf(previous), -1n);
      if (current) addUsage(each, place, objectOf(current), 1n);
    }
    if (key.startsWith(QUOTAS)) this.#applyQuota(previous, current);
  }

  #applyQuota(previous: KeyValue | undefined, current: KeyValue | undefined): void {
    const quota = objectOf((current ?? previous)!) as ResourceQuota;
    const { name, namespace = '' } = quota.metadata;
    const counted = this.#counted.get(namespace);
    const before = counted?.get(name);
    if (!current) {
      counted?.delete(name);
      if (counted?.size === 0) this.#counted.delete(namespace);
    } else if (before && isDeepStrictEqual(before.quota.spec, quota.spec)) counted!.set(name, { ...before, quota });
    else this.#recount(quota);
  }

  /** Counts everything in the quota's namespace. */
  #recount(quota: ResourceQuota): void {
    const { name, namespace = '' } = quota.metadata;
    const each: Counted = { quota, used: new Map(Object.keys(quota.spec?.hard ?? {}).map((key) => [key, ZERO])) };
    const kinds = new Map([...each.used.keys()].map((resource) => [JSON.stringify(countedKind(resource)), resource]));
    for (const resource of kinds.values()) {
      const kind = countedKind(resource);
      for (const item of this.#store.list(keyPrefix(kind, namespace)).items) {
        addUsage(each, placeOf(item.key), objectOf(item), 1n);
      }
    }
    const counted = this.#counted.get(namespace) ?? new Map<string, Counted>();
    this.#counted.set(namespace, counted.set(name, each));
  }
}

/** `/core/pods/default/x`: keys of the cluster's own objects have no namespace. */
export function placeOf(key: string): Place {
  const [, group = '', plural = '', third = '', fourth] = key.split('/');
  const place = fourth === undefined ? { namespace: '', name: third } : { namespace: third, name: fourth };
  return { group: group === 'core' ? '' : group, plural, ...place };
}

function addUsage({ quota, used }: Counted, place: Place, object: KubeObject, sign: 1n | -1n): void {
  for (const [resource, { nanos, binary }] of limitedUsage(quota, place, object)) {
    used.set(resource, addAmounts(used.get(resource) ?? ZERO, { nanos: nanos * sign, binary }));
  }
}
