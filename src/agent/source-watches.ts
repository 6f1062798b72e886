import { configMaps } from '../api/kinds/configmap.ts';
import { pods } from '../api/kinds/pod.ts';
import { secrets } from '../api/kinds/secret.ts';
import type { Resource } from '../api/resource.ts';
import type { ConfigMap, Pod } from '../api/types.ts';
import { type Informers, objectKey } from '../client/informer.ts';
import { createInformers, type InformersOptions } from '../client/informers.ts';
import { sourceRefs } from './pod-sources.ts';

export interface SourceWatchOptions extends InformersOptions {
  informers: Informers;
  nodeName: string;
}

interface Watched {
  /** Keys of the pods that use it. */
  readonly users: Set<string>;
  readonly end: AbortController;
}

const KINDS: Readonly<Record<string, Resource<ConfigMap>>> = {
  configmaps: configMaps,
  secrets: secrets as unknown as Resource<ConfigMap>,
};

/**
 * Calls back for the pods of a node that use a ConfigMap or Secret when it comes or changes. Each is watched by itself, as
 * long as a pod uses it: a node may not read any others.
 */
export function followSources(options: SourceWatchOptions, enqueue: (podKey: string) => void): void {
  const watches = new SourceWatches(options, enqueue);
  const mine = options.informers.of(pods, { fieldSelector: `spec.nodeName=${options.nodeName}` });
  mine.subscribe(({ type, object }) => {
    watches.use(objectKey(object), type === 'deleted' ? [] : sourceKeys(object));
  });
}

/** `secrets/default/key` of all that a pod uses. */
function sourceKeys(pod: Pod): string[] {
  return sourceRefs(pod).map((reference) => {
    const [plural, name] = reference.split('/');
    return `${plural}/${pod.metadata.namespace}/${name}`;
  });
}

class SourceWatches {
  readonly #options: SourceWatchOptions;
  readonly #enqueue: (podKey: string) => void;
  readonly #watched = new Map<string, Watched>();
  readonly #usedBy = new Map<string, ReadonlySet<string>>();

  constructor(options: SourceWatchOptions, enqueue: (podKey: string) => void) {
    this.#options = options;
    this.#enqueue = enqueue;
  }

  /** From now on the pod uses these, and no others. */
  use(podKey: string, sources: readonly string[]): void {
    const before = this.#usedBy.get(podKey) ?? new Set();
    const now = new Set(sources);
    for (const source of now) if (!before.has(source)) this.#add(source, podKey);
    for (const source of before) if (!now.has(source)) this.#release(source, podKey);
    if (now.size === 0) this.#usedBy.delete(podKey);
    else this.#usedBy.set(podKey, now);
  }

  #add(source: string, podKey: string): void {
    const watched = this.#watched.get(source) ?? this.#watch(source);
    watched.users.add(podKey);
  }

  #release(source: string, podKey: string): void {
    const watched = this.#watched.get(source);
    watched?.users.delete(podKey);
    if (watched?.users.size !== 0) return;
    watched.end.abort();
    this.#watched.delete(source);
  }

  #watch(source: string): Watched {
    const [plural = '', namespace = '', name = ''] = source.split('/');
    const watched: Watched = { users: new Set(), end: new AbortController() };
    this.#watched.set(source, watched);
    const signal = AbortSignal.any([watched.end.signal, this.#options.signal]);
    const filter = { namespace, fieldSelector: `metadata.name=${name}` };
    const informer = createInformers({ ...this.#options, signal }).of(KINDS[plural]!, filter);
    informer.subscribe(({ type }) => {
      if (type !== 'deleted') for (const podKey of watched.users) this.#enqueue(podKey);
    });
    return watched;
  }
}
