import { rowsOf } from '../api/crd/rows.ts';
import { customResourceDefinitions } from '../api/kinds/customresourcedefinition.ts';
import { registry } from '../api/registry.ts';
import { apiVersion, type Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import type { Informer, Informers } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { untilAborted } from '../lib/abort.ts';
import type { ControllersOptions } from './options.ts';

/** A kind with its cache. */
export interface Followed {
  readonly resource: Resource;
  readonly informer: Informer<KubeObject>;
  /** Aborts when the kind is no longer served. */
  readonly signal: AbortSignal;
}

interface Custom extends Followed {
  readonly end: AbortController;
}

const made = new WeakMap<Informers, Kinds>();

/** One for all controllers with the same caches. */
export function kindsOf(options: ControllersOptions): Kinds {
  const kinds = made.get(options.informers) ?? new Kinds(options);
  made.set(options.informers, kinds);
  return kinds;
}

type Definition = Parameters<typeof rowsOf>[0];

/** Every kind that the cluster stores, each once: those of the program, and those that definitions add while it runs. */
export class Kinds {
  readonly #options: ControllersOptions;
  /** By the name of the definition. */
  readonly #custom = new Map<string, Custom>();
  readonly #listeners: ((kind: Followed) => void)[] = [];

  constructor(options: ControllersOptions) {
    this.#options = options;
    options.informers.of(customResourceDefinitions).subscribe(({ type, object }) => {
      if (type === 'deleted') this.#drop(object.metadata.name);
      else this.#define(object);
    });
  }

  /** One row a kind, whatever versions it is served in. */
  get resources(): readonly Resource[] {
    return [...fixed, ...[...this.#custom.values()].map(({ resource }) => resource)];
  }

  /** The row of an owner reference's kind, in whatever version it is written. */
  find(reference: { apiVersion: string; kind: string }): Resource | undefined {
    const group = reference.apiVersion.includes('/') ? reference.apiVersion.split('/')[0] : '';
    return this.resources.find((resource) => resource.kind === reference.kind && resource.group === group);
  }

  /** Calls back for each kind that there is, and for each that comes. */
  follow(listener: (kind: Followed) => void): void {
    const { informers, signal } = this.#options;
    for (const resource of fixed) listener({ resource, informer: informers.of(resource), signal });
    for (const kind of this.#custom.values()) listener(kind);
    this.#listeners.push(listener);
  }

  /** Resolves when the caches of all kinds for which `test` holds are filled; a kind that ends is waited for no longer. */
  async whenSynced(test: (resource: Resource) => boolean): Promise<void> {
    const { informers } = this.#options;
    await informers.of(customResourceDefinitions).whenSynced();
    const customs = [...this.#custom.values()].filter(({ resource, informer }) => test(resource) && !informer.synced);
    const waiting = fixed
      .map((resource) => informers.of(resource))
      .filter((informer) => !informer.synced && test(informer.resource));
    await Promise.all([
      ...waiting.map((informer) => informer.whenSynced()),
      ...customs.map(({ informer, signal }) => Promise.race([informer.whenSynced(), untilAborted(signal)])),
    ]);
  }

  #define(definition: Definition): void {
    const { name } = definition.metadata;
    const [resource] = rowsOf(definition);
    const known = this.#custom.get(name);
    if (known && resource && apiVersion(known.resource) === apiVersion(resource)) return;
    this.#drop(name);
    if (!resource) return;
    const end = new AbortController();
    const signal = AbortSignal.any([this.#options.signal, end.signal]);
    const informer = createInformers({ ...this.#options, signal }).of(resource);
    const custom = { resource, informer, signal, end };
    this.#custom.set(name, custom);
    for (const listener of this.#listeners) listener(custom);
  }

  #drop(name: string): void {
    this.#custom.get(name)?.end.abort();
    this.#custom.delete(name);
  }
}

/** Kinds of the program; another version of a stored kind is the same kind. */
const fixed = registry.filter(({ conversion }) => conversion === undefined);
