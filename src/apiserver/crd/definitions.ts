import {
  CLEANUP_FINALIZER,
  type CustomResourceDefinition,
  hasCondition,
  withCondition,
} from '../../api/crd/definition.ts';
import { rowsOf, storedRowOf } from '../../api/crd/rows.ts';
import { isNotFound } from '../../api/errors.ts';
import { customResourceDefinitions } from '../../api/kinds/customresourcedefinition.ts';
import { type Resource, row } from '../../api/resource.ts';
import { timestamp } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Change } from '../../store/store.ts';
import type { Admission } from '../admission.ts';
import type { VerbContext } from '../context.ts';
import { keyPrefix, objectOf } from '../objects.ts';
import type { Target } from '../route.ts';
import { deleteObject } from '../verbs/delete.ts';
import { updateObject } from '../verbs/write.ts';
import { acceptNames } from './names.ts';

const KIND = row(customResourceDefinitions);
const BY = { user: { username: 'system:apiserver', groups: ['system:masters'] } };

/**
 * Serves what CustomResourceDefinitions define. Names are judged inside the write of a definition, so that a definition
 * whose write was answered is established and served.
 */
export class Definitions {
  readonly #context: VerbContext;
  readonly #log: Logger;
  /** Rows of definitions by what they are made from: rows that stay the same keep what was derived from them. */
  #rows = new Map<string, Resource[]>();
  readonly #ending = new Set<string>();

  constructor(context: VerbContext, log: Logger) {
    this.#context = context;
    this.#log = log;
  }

  /** The step that gives definitions their status. */
  readonly admission: Admission<CustomResourceDefinition> = {
    resource: KIND,
    create: (definition) => this.#accept(definition),
    update: (definition, old) => {
      if (!definition.metadata.deletionTimestamp)
        this.#accept({ ...definition, status: definition.status ?? old.status }, definition);
    },
  };

  /** Serves what is defined already, and follows every change. */
  start(): void {
    this.#serve();
    for (const definition of this.#all()) this.#finishIfDeleted(definition);
    this.#context.store.watch(keyPrefix(KIND), 0, (change) => this.#onChange(change));
  }

  #all(): CustomResourceDefinition[] {
    return this.#context.store.list(keyPrefix(KIND)).items.map((item) => objectOf(item) as CustomResourceDefinition);
  }

  #accept(definition: CustomResourceDefinition, into = definition): void {
    if (!definition.spec?.names?.plural) return;
    into.status = acceptNames(definition, this.#all(), timestamp(this.#context.clock.now()));
  }

  #onChange({ current }: Change): void {
    this.#serve();
    if (current) this.#finishIfDeleted(objectOf(current) as CustomResourceDefinition);
    else this.#run(() => this.#acceptWaiting());
  }

  #serve(): void {
    const rows = new Map<string, Resource[]>();
    for (const definition of this.#all()) {
      const key = identity(definition);
      rows.set(key, this.#rows.get(key) ?? rowsOf(definition));
    }
    this.#rows = rows;
    const added = [...rows.values()].flat();
    this.#context.catalog.setAdded(added.toSorted((a, b) => (a.group < b.group ? -1 : a.group > b.group ? 1 : 0)));
  }

  /** Definitions whose names were taken may have them now. */
  async #acceptWaiting(): Promise<void> {
    const waiting = this.#all().filter((definition) => !hasCondition(definition, 'NamesAccepted'));
    for (const { metadata } of waiting) {
      await this.#update(metadata.name, (definition) => {
        this.#accept(definition);
        return definition;
      });
    }
  }

  #finishIfDeleted(definition: CustomResourceDefinition): void {
    const { name, deletionTimestamp, finalizers = [] } = definition.metadata;
    if (!deletionTimestamp || !finalizers.includes(CLEANUP_FINALIZER) || this.#ending.has(name)) return;
    this.#ending.add(name);
    this.#run(() => this.#finish(definition).finally(() => this.#ending.delete(name)));
  }

  /** Deletes all objects of a kind, waits until they are gone, and lets the definition go. */
  async #finish(definition: CustomResourceDefinition): Promise<void> {
    const { name } = definition.metadata;
    const resource = storedRowOf(definition);
    await this.#update(name, (current) => this.#terminating(current));
    await this.#empty(resource);
    await this.#update(name, (current) => {
      const finalizers = (current.metadata.finalizers ?? []).filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
      return { ...current, metadata: { ...current.metadata, finalizers } };
    });
  }

  #terminating(current: CustomResourceDefinition): CustomResourceDefinition {
    const condition = {
      type: 'Terminating',
      status: 'True' as const,
      reason: 'InstanceDeletionInProgress',
      message: 'CustomResource deletion is in progress',
    };
    const conditions = withCondition(current.status?.conditions, condition, timestamp(this.#context.clock.now()));
    return { ...current, status: { ...current.status, conditions } };
  }

  async #empty(resource: Resource): Promise<void> {
    const { store } = this.#context;
    const prefix = keyPrefix(resource);
    const emptied = Promise.withResolvers<void>();
    const stop = store.watch(prefix, 0, () => {
      if (store.count(prefix) === 0) emptied.resolve();
    });
    try {
      for (const item of store.list(prefix).items) {
        const { name, namespace = '' } = objectOf(item).metadata;
        const target = { resource, namespace, name, subresource: '', rest: '' };
        await deleteObject(this.#context, target, {}, BY).catch(ignoreNotFound);
      }
      if (store.count(prefix) > 0) await emptied.promise;
    } finally {
      stop();
    }
  }

  async #update(
    name: string,
    change: (definition: CustomResourceDefinition) => CustomResourceDefinition,
  ): Promise<void> {
    const target: Target = { resource: KIND, namespace: '', name, subresource: '', rest: '' };
    const options = { ...BY, dryRun: false, scope: 'internal' as const };
    await updateObject(this.#context, target, (current) => change(current as CustomResourceDefinition), options).catch(
      ignoreNotFound,
    );
  }

  #run(work: () => Promise<void>): void {
    work().catch((error: unknown) => this.#log.error('definition not followed', { error: String(error) }));
  }
}

function identity(definition: CustomResourceDefinition): string {
  const { uid, generation, deletionTimestamp } = definition.metadata;
  const names = JSON.stringify(definition.status?.acceptedNames);
  return [uid, generation, deletionTimestamp, hasCondition(definition, 'Established'), names].join(' ');
}

function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
