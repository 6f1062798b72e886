import { pods } from '../api/kinds/pod.ts';
import { services } from '../api/kinds/service.ts';
import { selectsByMap } from '../api/selectors.ts';
import type { KubeObject, Pod, Service } from '../api/types.ts';
import { type Informers, objectKey } from '../client/informer.ts';

type Labels = Readonly<Record<string, string>>;

/** Which pods Services select, and which Services select a pod, without asking all of them. */
export interface Selection {
  podsOf(service: Service): Pod[];
  servicesOf(namespace: string, labels: Labels): Service[];
}

const made = new WeakMap<Informers, Selection>();

/** One for all who ask with the same caches; it follows them from then on. */
export function selectionOf(informers: Informers): Selection {
  let selection = made.get(informers);
  if (!selection) {
    selection = createSelection(informers);
    made.set(informers, selection);
  }
  return selection;
}

function createSelection(informers: Informers): Selection {
  const podIndex = new Index<Pod>();
  const serviceIndex = new Index<Service>();
  informers.of(pods).subscribe((change) => {
    const { object, type } = change;
    const labels = object.metadata.labels;
    const moved = type === 'updated' && !sameLabels(change.old.metadata.labels, labels);
    if (moved) podIndex.remove(change.old, pairsOf(change.old.metadata.labels));
    if (type === 'deleted') podIndex.remove(object, pairsOf(labels));
    else podIndex.put(object, pairsOf(labels));
  });
  informers.of(services).subscribe((change) => {
    if (change.type === 'updated') serviceIndex.remove(change.old, firstPair(change.old));
    if (change.type === 'deleted') serviceIndex.remove(change.object, firstPair(change.object));
    else serviceIndex.put(change.object, firstPair(change.object));
  });
  return {
    podsOf({ metadata, spec }) {
      const selector = spec?.selector ?? {};
      const groups = pairsOf(selector).map((pair) => podIndex.of(metadata.namespace!, pair));
      if (groups.length === 0) return [];
      const smallest = groups.reduce((least, one) => (one.size < least.size ? one : least));
      return [...smallest.values()].filter((pod) => selectsByMap(selector, pod.metadata.labels));
    },
    servicesOf(namespace, labels) {
      const found = pairsOf(labels).flatMap((pair) => [...serviceIndex.of(namespace, pair).values()]);
      return found.filter((service) => selectsByMap(service.spec?.selector, labels));
    },
  };
}

function pairsOf(labels: Labels | undefined): string[] {
  return Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
}

/** One pair of a Service's selector is enough to be found by. */
function firstPair({ spec }: Service): string[] {
  return pairsOf(spec?.selector).slice(0, 1);
}

function sameLabels(a: Labels | undefined, b: Labels | undefined): boolean {
  return a === b || pairsOf(a).join() === pairsOf(b).join();
}

/** Objects by namespace and `key=value`. */
class Index<T extends KubeObject> {
  readonly #groups = new Map<string, Map<string, T>>();

  of(namespace: string, pair: string): ReadonlyMap<string, T> {
    return this.#groups.get(`${namespace}/${pair}`) ?? new Map<string, T>();
  }

  put(object: T, pairs: readonly string[]): void {
    for (const pair of pairs) {
      const at = `${object.metadata.namespace}/${pair}`;
      const group = this.#groups.get(at) ?? new Map<string, T>();
      this.#groups.set(at, group.set(objectKey(object), object));
    }
  }

  remove(object: T, pairs: readonly string[]): void {
    for (const pair of pairs) {
      const at = `${object.metadata.namespace}/${pair}`;
      const group = this.#groups.get(at);
      if (group?.delete(objectKey(object)) && group.size === 0) this.#groups.delete(at);
    }
  }
}
