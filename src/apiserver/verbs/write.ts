import { isDeepStrictEqual } from 'node:util';
import { ApiError, alreadyExists, badRequest, conflict, invalid, notFound } from '../../api/errors.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../api/meta-validation.ts';
import { validateEphemeralUpdate } from '../../api/pod/ephemeral.ts';
import type { Resource } from '../../api/resource.ts';
import type { KubeObject, Pod } from '../../api/types.ts';
import { timestamp } from '../../lib/clock.ts';
import { type KeyValue, MismatchError } from '../../store/store.ts';
import type { Admission, AdmissionContext } from '../admission.ts';
import { mutate, stepsOf, validateByPlugins } from '../admit.ts';
import type { State } from '../apply/ownership.ts';
import type { VerbContext } from '../context.ts';
import { keyOf, objectOf, putObject } from '../objects.ts';
import type { Target } from '../route.ts';

export interface WriteOptions extends AdmissionContext {
  /** `metadata.managedFields` after the write, before admission: from the old state and the wanted one, defaulted. */
  readonly own?: (before: State, after: KubeObject) => unknown[] | undefined;
}

const GENERATE_NAME_TRIES = 8;
const UPDATE_TRIES = 30;
/** A generated name is a DNS label: 63 characters, five of which are the suffix. */
const GENERATED_PREFIX = 58;

/** Stores a new object, defaulted, admitted and validated; resolves when durable. */
export async function createObject(
  context: VerbContext,
  target: Target,
  object: KubeObject,
  options: WriteOptions,
): Promise<KubeObject> {
  prepareMeta(context, target, object);
  for (let tries = 1; ; tries++) {
    const generated = !object.metadata.name && object.metadata.generateName;
    const candidate = generated ? structuredClone(object) : object;
    if (generated) candidate.metadata.name = `${generated.slice(0, GENERATED_PREFIX)}${randomSuffix(context.random)}`;
    try {
      return await insert(context, target, candidate, options);
    } catch (error) {
      const again =
        generated && error instanceof ApiError && error.reason === 'AlreadyExists' && tries < GENERATE_NAME_TRIES;
      if (!again) throw error;
    }
  }
}

function prepareMeta(context: VerbContext, target: Target, object: KubeObject): void {
  const meta = object.metadata;
  if (target.resource.namespaced) {
    meta.namespace ||= target.namespace;
    if (meta.namespace !== target.namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
    checkNamespace(context, target, object);
  } else {
    delete meta.namespace;
  }
  if (meta.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created');
  for (const key of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink', 'managedFields'] as const) {
    delete (meta as unknown as Record<string, unknown>)[key];
  }
  meta.uid = crypto.randomUUID();
  meta.creationTimestamp = timestamp(context.clock.now());
  if (target.resource.generation) meta.generation = 1;
  else delete meta.generation;
}

/** New objects need a namespace that exists and is not on its way out. */
function checkNamespace(context: VerbContext, { resource, namespace }: Target, object: KubeObject): void {
  const namespaces = { group: '', plural: 'namespaces' };
  const item = context.store.head(keyOf(namespaces, { name: namespace }));
  if (!item) throw notFound(namespaces, namespace);
  if (!objectOf(item).metadata.deletionTimestamp) return;
  const message = `${resource.plural} "${object.metadata.name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`;
  throw new ApiError('Forbidden', message, {
    name: object.metadata.name,
    kind: resource.plural,
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  });
}

async function insert(
  context: VerbContext,
  target: Target,
  sent: KubeObject,
  options: WriteOptions,
): Promise<KubeObject> {
  const { resource } = target;
  resource.setDefaults?.(sent);
  setOwned(sent, {}, options);
  const mutated = await mutate(context, { operation: 'CREATE', target, object: sent }, options);
  if (mutated) {
    resource.setDefaults?.(mutated);
    setOwned(mutated, {}, options);
  }
  const object = mutated ?? sent;
  resource.prepareForCreate?.(object);
  const key = keyOf(resource, object.metadata);
  // Before anything is handed out for it: a taken name must not cost an address.
  if (context.store.head(key)) throw alreadyExists(resource, object.metadata.name);
  const admitted = admit(stepsOf(context, resource), {
    run: (step) => step.create?.(object, options),
    undo: (step) => step.aborted?.(object, undefined),
  });
  try {
    throwInvalid(resource, object, [...metaErrors(resource, object), ...(resource.validate?.(object) ?? [])]);
    await validateByPlugins(context, { operation: 'CREATE', target, object }, options);
    if (!options.dryRun) await putObject(context.store, { key, object, expected: 0 });
  } catch (error) {
    for (const step of admitted) step.aborted?.(object, undefined);
    throw error instanceof MismatchError ? alreadyExists(resource, object.metadata.name) : error;
  }
  for (const step of admitted) {
    if (options.dryRun) step.aborted?.(object, undefined);
    else step.committed?.(object, undefined);
  }
  return object;
}

function setOwned(object: KubeObject, before: State, { own }: WriteOptions): void {
  if (!own) return;
  const managedFields = own(before, object);
  if (managedFields) object.metadata.managedFields = managedFields;
  else delete object.metadata.managedFields;
}

/** Runs admission steps in order; when one refuses, those before it give back what they took. */
function admit(
  steps: readonly Admission[],
  { run, undo }: { run: (step: Admission) => void; undo: (step: Admission) => void },
): readonly Admission[] {
  for (const [index, step] of steps.entries()) {
    try {
      run(step);
    } catch (error) {
      for (const earlier of steps.slice(0, index)) undo(earlier);
      throw error;
    }
  }
  return steps;
}

function metaErrors(resource: Resource, object: KubeObject) {
  const bareFinalizers = resource.schema !== undefined || resource.group === 'apiextensions.k8s.io';
  const { namespaced, nameRule = 'dns1123-subdomain' } = resource;
  const rules = { namespaced, nameRule, bareFinalizers };
  return validateObjectMeta(object.metadata, rules);
}

function throwInvalid(resource: Resource, object: KubeObject, errors: Parameters<typeof invalid>[2]): void {
  if (errors.length > 0) throw invalid(resource, object.metadata.name ?? '', errors);
}

/** How a change treats the parts of an object. */
export type UpdateScope = 'main' | 'status' | 'finalize' | 'ephemeralcontainers' | 'internal';

export interface UpdateOptions extends WriteOptions {
  scope: UpdateScope;
  /** The change leaves its argument as it is, and shares nothing with it that may be changed later. */
  readonly pure?: boolean;
}

/**
 * Changes an object: `change` is given a copy of the newest state and returns the wanted one. Tried again when another
 * write came between, unless the wanted state carries a resourceVersion, which must be the newest one.
 */
export async function updateObject(
  context: VerbContext,
  target: Target,
  change: (current: KubeObject) => KubeObject,
  options: UpdateOptions,
): Promise<KubeObject> {
  const { resource } = target;
  const key = keyOf(resource, target);
  for (let tries = 1; ; tries++) {
    const item = context.store.head(key);
    if (!item) throw notFound(resource, target.name);
    const old = objectOf(item);
    const wanted = change(options.pure ? old : structuredClone(old));
    checkPreconditions(target, { wanted, old });
    try {
      return await replace(context, { target, key, item, old, wanted }, options);
    } catch (error) {
      if (!(error instanceof MismatchError)) throw error;
      if (tries === UPDATE_TRIES) throw conflict(resource, target.name);
    }
  }
}

function checkPreconditions(
  { resource, name, namespace }: Target,
  { wanted, old }: { wanted: KubeObject; old: KubeObject },
): void {
  if (wanted.metadata.name !== name) {
    throw badRequest(`the name of the object (${wanted.metadata.name}) does not match the name on the URL (${name})`);
  }
  if (resource.namespaced && (wanted.metadata.namespace || namespace) !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const { resourceVersion, uid } = wanted.metadata;
  if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) throw conflict(resource, name);
  if (uid && uid !== old.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`;
    throw conflict(resource, name, why);
  }
}

interface Replacement {
  readonly target: Target;
  readonly key: string;
  readonly item: KeyValue;
  readonly old: KubeObject;
  readonly wanted: KubeObject;
}

async function replace(context: VerbContext, at: Replacement, options: UpdateOptions): Promise<KubeObject> {
  const { target, key, item, old } = at;
  const { resource } = target;
  const object = await mutateUpdate(context, at, options);
  if (options.scope === 'main') resource.prepareForUpdate?.(object, old);
  if (options.scope === 'main' && resource.generation && specChanged(resource, object, old)) {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
  const admitted = admit(options.scope === 'main' ? stepsOf(context, resource) : [], {
    run: (step) => step.update?.(object, old, options),
    undo: (step) => step.aborted?.(object, old),
  });
  try {
    checkUpdate(at, object, options.scope);
    if (options.scope !== 'internal')
      await validateByPlugins(context, { operation: 'UPDATE', target, object, old }, options);
    if (options.dryRun) for (const step of admitted) step.aborted?.(object, old);
    if (options.dryRun || isDeepStrictEqual(object, old)) return object;
    if (isReleased(object)) await context.store.delete(key, item.modRevision);
    else await putObject(context.store, { key, object, expected: item.modRevision });
  } catch (error) {
    for (const step of admitted) step.aborted?.(object, old);
    throw error;
  }
  const gone = isReleased(object);
  for (const step of gone ? stepsOf(context, resource) : admitted) step.committed?.(gone ? undefined : object, old);
  return object;
}

/** The wanted object, defaulted, as plugins change it. */
async function mutateUpdate(context: VerbContext, at: Replacement, options: UpdateOptions): Promise<KubeObject> {
  const { target, old } = at;
  const object = scoped(at, options.scope);
  if (options.scope === 'internal') return object;
  target.resource.setDefaults?.(object);
  setOwned(object, old, options);
  const mutated = await mutate(context, { operation: 'UPDATE', target, object, old }, options);
  if (!mutated) return object;
  const kept = scoped({ ...at, wanted: mutated }, options.scope);
  target.resource.setDefaults?.(kept);
  setOwned(kept, old, options);
  return kept;
}

/** The wanted object with the parts that this request may not touch as they were. */
function scoped({ target: { resource }, old, wanted }: Replacement, scope: UpdateScope): KubeObject {
  const {
    uid,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    resourceVersion,
    namespace,
  } = old.metadata;
  if (scope === 'internal') return wanted;
  const kept = {
    uid,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    resourceVersion,
    namespace,
  };
  const metadata = compact({ ...wanted.metadata, ...kept });
  const parts = wanted as unknown as { status?: unknown; spec?: unknown };
  const before = old as unknown as { status?: unknown; spec?: unknown };
  if (scope === 'status') return compact({ ...old, metadata, status: parts.status } as KubeObject);
  if (scope === 'ephemeralcontainers') {
    return { ...old, metadata: { ...old.metadata }, spec: withEphemeral(before, parts) } as KubeObject;
  }
  if (scope === 'finalize') return compact({ ...old, spec: parts.spec } as KubeObject);
  return compact(
    resource.status ? ({ ...wanted, metadata, status: before.status } as KubeObject) : { ...wanted, metadata },
  );
}

function withEphemeral(old: { spec?: unknown }, wanted: { spec?: unknown }): object {
  const { ephemeralContainers } = (wanted.spec ?? {}) as NonNullable<Pod['spec']>;
  return JSON.parse(JSON.stringify({ ...(old.spec as object), ephemeralContainers }));
}

function compact<T extends object>(object: T): T {
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) if (value !== undefined) copy[key] = value;
  return copy as T;
}

/** Without a subresource of its own, the status is content as all else. */
function specChanged(resource: Resource, object: KubeObject, old: KubeObject): boolean {
  const content = ({ metadata: _metadata, status, ...rest }: KubeObject & { status?: unknown }) =>
    resource.status ? rest : { ...rest, status };
  return !isDeepStrictEqual(content(object), content(old));
}

function checkUpdate({ target: { resource }, old }: Replacement, object: KubeObject, scope: UpdateScope): void {
  if (scope === 'status') throwInvalid(resource, object, resource.validateStatusUpdate?.(object, old) ?? []);
  if (scope === 'ephemeralcontainers')
    throwInvalid(resource, object, validateEphemeralUpdate(object as Pod, old as Pod));
  if (scope !== 'main') return;
  throwInvalid(resource, object, [
    ...metaErrors(resource, object),
    ...validateObjectMetaUpdate(object, old),
    ...(resource.validate?.(object, old) ?? []),
    ...(resource.validateUpdate?.(object, old) ?? []),
  ]);
}

/** Marked for deletion, and nothing holds it any longer. */
function isReleased(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  const held = (object as { spec?: { finalizers?: string[] } }).spec?.finalizers?.length && object.kind === 'Namespace';
  return deletionTimestamp !== undefined && !deletionGracePeriodSeconds && !finalizers?.length && !held;
}

const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

function randomSuffix(random: () => number): string {
  return Array.from({ length: 5 }, () => SUFFIX_ALPHABET[Math.floor(random() * SUFFIX_ALPHABET.length)]).join('');
}
