import { configMaps } from '../api/kinds/configmap.ts';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { ingresses } from '../api/kinds/ingress.ts';
import { ingressClasses } from '../api/kinds/ingressclass.ts';
import { secrets } from '../api/kinds/secret.ts';
import { services } from '../api/kinds/service.ts';
import type { Resource } from '../api/resource.ts';
import type { EndpointSlice, IngressClass, KubeObject } from '../api/types.ts';
import { type Change, type Informer, type InformerFilter, type Informers, objectKey } from '../client/informer.ts';
import type { OwnClassOf } from './classes.ts';
import type { ClassDefaults } from './compile.ts';
import type { Names } from './names.ts';
import type { Facts } from './table.ts';

export interface FactsOptions {
  readonly informers: Informers;
  readonly names: Names;
  readonly ownClassOf: OwnClassOf;
  /** Called whenever a fact may have changed. */
  readonly onChange: () => void;
}

/** The cluster's state as the caches have it. Caches that only some Ingresses need start with the first of those. */
export interface LiveFacts {
  /** Resolves with facts that are complete for the Ingresses of this moment. */
  current(): Promise<Facts>;
  stop(): void;
}

/** Follows everything that routing depends on. */
export function followFacts({ informers, names, ownClassOf, onChange }: FactsOptions): LiveFacts {
  const slices = new SliceIndex();
  const followed = new Map<string, Informer<KubeObject>>();
  const endings: (() => void)[] = [];
  const follow = <T extends KubeObject>(
    resource: Resource<T>,
    filter?: InformerFilter,
    listener?: (change: Change<T>) => void,
  ) => {
    const key = JSON.stringify([resource.plural, filter]);
    const known = followed.get(key) as unknown as Informer<T> | undefined;
    if (known) return known;
    const informer = filter ? informers.of(resource, filter) : informers.of(resource);
    followed.set(key, informer as unknown as Informer<KubeObject>);
    endings.push(
      informer.subscribe((change) => {
        listener?.(change);
        onChange();
      }),
    );
    return informer;
  };
  const caches = { ingresses: follow(ingresses), classes: follow(ingressClasses) };
  const parametersOf = (ingressClass: IngressClass) => {
    const where = configMapOf(ingressClass);
    return where && follow(configMaps, { namespace: where.namespace, fieldSelector: `metadata.name=${where.name}` });
  };
  const facts = (): Facts => ({
    ingresses: caches.ingresses.list(),
    ownClassOf,
    classDefaults: (ingressClass) => {
      const where = configMapOf(ingressClass);
      return where && (parametersOf(ingressClass)?.get(where.name, where.namespace)?.data as ClassDefaults | undefined);
    },
    findService: (namespace, name) => follow(services).get(name, namespace),
    slicesOf: (namespace, name) => slices.of(`${namespace}/${name}`),
    findSecret: (namespace, name) => follow(secrets).get(name, namespace),
    resolve: (name) => names.lookup(name),
  });
  return {
    async current() {
      await Promise.all([caches.ingresses.whenSynced(), caches.classes.whenSynced()]);
      const own = caches.ingresses.list().flatMap((ingress) => {
        const ingressClass = ownClassOf(ingress);
        return ingressClass ? [{ ingress, ingressClass }] : [];
      });
      if (own.length > 0) {
        follow(services);
        follow(endpointSlices, undefined, (change) => slices.apply(change));
        for (const { ingressClass } of own) parametersOf(ingressClass);
      }
      if (own.some(({ ingress }) => ingress.spec?.tls?.some(({ secretName }) => secretName))) follow(secrets);
      await Promise.all([...followed.values()].map((informer) => informer.whenSynced()));
      return facts();
    },
    stop: () => {
      for (const end of endings) end();
    },
  };
}

/** A class's parameters are a ConfigMap of a namespace, whose entries are options without their prefix. */
function configMapOf({ spec }: IngressClass): { namespace: string; name: string } | undefined {
  const { kind, name, namespace, scope } = spec?.parameters ?? {};
  return kind === 'ConfigMap' && scope === 'Namespace' && name && namespace ? { namespace, name } : undefined;
}

const SERVICE_LABEL = 'kubernetes.io/service-name';

/** EndpointSlices by the Service that their label names. */
class SliceIndex {
  readonly #byService = new Map<string, Map<string, EndpointSlice>>();

  of(service: string): readonly EndpointSlice[] {
    return [...(this.#byService.get(service)?.values() ?? [])];
  }

  apply(change: Change<EndpointSlice>): void {
    if (change.type === 'updated') this.#remove(change.old);
    if (change.type === 'deleted') return this.#remove(change.object);
    const service = serviceOf(change.object);
    const slices = this.#byService.get(service) ?? new Map<string, EndpointSlice>();
    this.#byService.set(service, slices.set(objectKey(change.object), change.object));
  }

  #remove(slice: EndpointSlice): void {
    const service = serviceOf(slice);
    const slices = this.#byService.get(service);
    slices?.delete(objectKey(slice));
    if (slices?.size === 0) this.#byService.delete(service);
  }
}

function serviceOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace}/${metadata.labels?.[SERVICE_LABEL] ?? ''}`;
}
