import { ApiError, notFound } from '../api/errors.ts';
import { isObject } from '../api/patch/merge.ts';
import { apiVersion } from '../api/resource.ts';
import { typeNameOf } from '../api/schema.ts';
import type { KubeObject } from '../api/types.ts';
import { timestamp } from '../lib/clock.ts';
import type { AdmissionContext } from './admission.ts';
import { validateByPlugins } from './admit.ts';
import { structureOf } from './apply/kind-structure.ts';
import type { Writer } from './apply/managers.ts';
import { ownedAfterUpdate, type State, type Tracking, unwritable } from './apply/ownership.ts';
import { APPLY_PATCH, isForced, managerOf, readConfig } from './apply/request.ts';
import type { VerbContext } from './context.ts';
import { fromStored, storedTarget, toStored } from './conversion.ts';
import { decodeObject, mediaType, readBody, readObjectBody, settle } from './decode.ts';
import { checkDeleteOptions, readDeleteOptions, toDeleteOptions } from './delete-options.ts';
import { negotiate } from './negotiate.ts';
import { keyOf, objectAs, objectOf, textAs, writtenText } from './objects.ts';
import type { ApiServerOptions } from './options.ts';
import { readPatch, readReplacement } from './patch-body.ts';
import { hasProtobuf } from './protobuf/encode.ts';
import { isWatch, parseWriteQuery, type WriteKind } from './query.ts';
import { Representation } from './representation.ts';
import type { ApiRequest, ApiResponse } from './request.ts';
import { json } from './respond.ts';
import type { Target } from './route.ts';
import { bindPod, finalizeNamespace, SUBRESOURCE_VERBS } from './subresources.ts';
import { applyObject } from './verbs/apply.ts';
import { type DeleteOptions, deleteObject } from './verbs/delete.ts';
import { evictPod } from './verbs/evict.ts';
import { getObject, listObjects, type Page } from './verbs/read.ts';
import { scaleOf, withScale } from './verbs/scale.ts';
import { watchObjects } from './verbs/watch.ts';
import { createObject, type UpdateScope, updateObject, type WriteOptions } from './verbs/write.ts';

interface Call {
  readonly request: ApiRequest;
  readonly target: Target;
  readonly representation: Representation;
  /** Texts for `Warning` headers, from admission. */
  readonly warnings: string[];
}

/** Routes a request on a resource to its verb. Written once for all kinds. */
export class ResourceHandler {
  readonly #context: VerbContext;
  readonly #options: ApiServerOptions;

  constructor(context: VerbContext, options: ApiServerOptions) {
    this.#context = context;
    this.#options = options;
  }

  find(target: Target): KubeObject | undefined {
    const item = this.#context.store.get(keyOf(target.resource, target));
    return item && objectAs(target.resource, item);
  }

  async handle(request: ApiRequest, target: Target): Promise<ApiResponse> {
    const custom = this.#customSubresource(request, target);
    if (custom !== undefined) return custom;
    const negotiated = negotiate(request.headers['accept'], request.query, hasProtobuf(answeredKind(target)));
    const { clock } = this.#context;
    const representation = new Representation(target.resource, negotiated, () => clock.now());
    const call: Call = { request, target, representation, warnings: [] };
    if (target.subresource !== '') return this.#subresource(call);
    return target.name === '' ? this.#collection(call) : this.#single(call);
  }

  #customSubresource(request: ApiRequest, target: Target): Promise<ApiResponse> | undefined {
    const handler = this.#options.subresources?.find(
      ({ group, plural, subresource }) =>
        group === target.resource.group && plural === target.resource.plural && subresource === target.subresource,
    );
    if (!handler) return undefined;
    if (!handler.methods.includes(request.method)) throw methodNotAllowed();
    const name = handler.objectName?.(target.name) ?? target.name;
    const object = this.find({ ...target, name });
    if (!object) throw notFound(target.resource, name);
    return handler.handle(request, object);
  }

  async #collection(call: Call): Promise<ApiResponse> {
    const { request, target, representation } = call;
    if (request.method === 'POST') return this.#create(call);
    if (request.method === 'DELETE') return this.#deleteCollection(call);
    if (request.method !== 'GET') throw methodNotAllowed();
    if (isWatch(request.query)) {
      const end = this.#options.catalog.endOf(target.resource);
      const signal = end ? AbortSignal.any([request.signal, end]) : request.signal;
      const headers = { 'content-type': representation.streamType };
      const watch = { target, representation, query: request.query, signal };
      return { status: 200, headers, body: watchObjects(this.#context, watch) };
    }
    return listResponse(call, listObjects(this.#context, target, request.query));
  }

  async #single(call: Call): Promise<ApiResponse> {
    switch (call.request.method) {
      case 'GET':
        return this.#get(call);
      case 'PUT':
        return this.#put(call, 'main');
      case 'PATCH':
        return this.#patch(call, 'main');
      case 'DELETE':
        return this.#delete(call);
      default:
        throw methodNotAllowed();
    }
  }

  async #subresource(call: Call): Promise<ApiResponse> {
    const { request, target } = call;
    const { resource, subresource } = target;
    if (isStatusLike(target)) {
      if (request.method === 'GET') return this.#get(call);
      if (request.method === 'PUT') return this.#put(call, 'status');
      if (request.method === 'PATCH') return this.#patch(call, 'status');
    }
    if (resource.kind === 'Pod' && subresource === 'ephemeralcontainers') {
      if (request.method === 'GET') return this.#get(call);
      if (request.method === 'PUT') return this.#put(call, subresource);
      if (request.method === 'PATCH') return this.#patch(call, subresource);
    }
    if (subresource === 'scale' && resource.scale) return this.#scale(call);
    const verb = resource.group === '' ? SUBRESOURCE_VERBS[`${resource.plural}/${subresource}`] : undefined;
    if (verb === 'finalize' && request.method === 'PUT') return this.#finalize(call);
    if (verb === 'binding' && request.method === 'POST') return this.#bind(call);
    if (verb === 'eviction' && request.method === 'POST') return this.#evict(call);
    if (verb || subresource === 'status') throw methodNotAllowed();
    throw new ApiError('NotFound', 'the server could not find the requested resource');
  }

  #get({ target, representation }: Call): ApiResponse {
    const item = getObject(this.#context, target);
    return representation.object(200, { object: objectAs(target.resource, item), text: textAs(target.resource, item) });
  }

  async #create(call: Call): Promise<ApiResponse> {
    const { request, target } = call;
    const read = await readObjectBody(request, this.#options.decoders ?? {});
    const { object, warnings } = decodeObject(read, target.resource, request.query.get('fieldValidation'));
    const created = await createObject(
      this.#context,
      storedTarget(target),
      toStored(target, object),
      this.#writeOptions(call, 'CreateOptions'),
    );
    return this.#answer(201, created, call, [...warnings, ...(target.resource.warnings?.(created) ?? [])]);
  }

  async #put(call: Call, scope: UpdateScope): Promise<ApiResponse> {
    const { request, target } = call;
    const read = await readObjectBody(request, this.#options.decoders ?? {});
    const { object, warnings } = decodeObject(read, target.resource, request.query.get('fieldValidation'));
    const options = { ...this.#writeOptions(call, 'UpdateOptions'), scope, pure: isPlain(target) };
    const updated = await updateObject(
      this.#context,
      storedTarget(target),
      () => toStored(target, structuredClone(object)),
      options,
    );
    return this.#answer(200, updated, call, warnings);
  }

  async #patch(call: Call, scope: UpdateScope): Promise<ApiResponse> {
    const { request, target } = call;
    if (mediaType(request.headers['content-type']) === APPLY_PATCH) return this.#apply(call, scope);
    const apply = await readPatch(request, target.resource.schema ? undefined : typeNameOf(target.resource));
    const warnings: string[] = [];
    const change = (current: KubeObject) => {
      const patched = apply(fromStored(target, current)) as KubeObject;
      const settled = settle(patched, target.resource, request.query.get('fieldValidation'));
      warnings.splice(0, warnings.length, ...settled.warnings);
      // Only a version that the patch itself names is a precondition.
      if (settled.object.metadata.resourceVersion === current.metadata.resourceVersion)
        delete settled.object.metadata.resourceVersion;
      return toStored(target, settled.object);
    };
    const options = { ...this.#writeOptions(call, 'PatchOptions'), scope, pure: isPlain(target) };
    const updated = await updateObject(this.#context, storedTarget(target), change, options);
    return this.#answer(200, updated, call, warnings);
  }

  async #apply(call: Call, scope: UpdateScope): Promise<ApiResponse> {
    const { request, target } = call;
    const { resource } = target;
    const { dryRun } = parseWriteQuery(request.query, 'PatchOptions');
    const { user, warn } = admittedFor(call);
    const manager = managerOf(request, 'PatchOptions', true);
    const typed = (read: KubeObject) => settle(read, resource, 'Ignore').object;
    const sent = await readConfig(request, target);
    const application = {
      sent,
      config: typed(sent),
      typed,
      force: isForced(request.query),
      ...this.#tracking(call, { manager, operation: 'Apply' }),
    };
    const { object, created } = await applyObject(this.#context, target, {
      ...{ dryRun, user, warn, scope, application },
      mayCreate: () => this.#options.authorize?.(user, { ...attributesOf(target), verb: 'create' }),
    });
    return this.#answer(created ? 201 : 200, object, call);
  }

  async #delete(call: Call): Promise<ApiResponse> {
    const { request, target } = call;
    const options = await this.#deleteOptions(request);
    const { object, gone } = await deleteObject(this.#context, storedTarget(target), options, admittedFor(call));
    if (!gone) return this.#answer(200, object, call);
    const { group, plural } = target.resource;
    const details = { name: target.name, group: group || undefined, kind: plural, uid: object.metadata.uid };
    const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
    return call.representation.raw(200, status);
  }

  async #deleteCollection(call: Call): Promise<ApiResponse> {
    const { request, target } = call;
    const options = await this.#deleteOptions(request);
    const page = listObjects(this.#context, target, request.query);
    for (const item of page.items) {
      const { name, namespace = '' } = objectOf(item).metadata;
      await deleteObject(this.#context, { ...storedTarget(target), name, namespace }, options, admittedFor(call)).catch(
        ignoreNotFound,
      );
    }
    return listResponse(call, page);
  }

  #deleteOptions(request: ApiRequest): Promise<DeleteOptions> {
    return readDeleteOptions(request, this.#options.decoders ?? {});
  }

  async #scale(call: Call): Promise<ApiResponse> {
    const { request, target } = call;
    if (request.method === 'GET')
      return call.representation.raw(
        200,
        scaleOf(target.resource, objectAs(target.resource, getObject(this.#context, target))),
      );
    const apply =
      request.method === 'PUT'
        ? await readReplacement(request, this.#options)
        : await readPatch(request, 'autoscaling/v1.Scale');
    const change = (current: KubeObject) => {
      const shown = fromStored(target, current);
      return toStored(target, withScale(target.resource, shown, apply(scaleOf(target.resource, shown))));
    };
    const kind = request.method === 'PUT' ? 'UpdateOptions' : 'PatchOptions';
    const options = { ...this.#writeOptions(call, kind), scope: 'main' as const };
    const updated = await updateObject(this.#context, storedTarget(target), change, options);
    return call.representation.raw(200, scaleOf(target.resource, fromStored(target, updated)));
  }

  async #finalize(call: Call): Promise<ApiResponse> {
    const body = await readBody(call.request, this.#options.decoders ?? {});
    const change = (current: KubeObject) => finalizeNamespace(current, body);
    const options = { ...this.#writeOptions(call), scope: 'finalize' as const };
    return this.#answer(200, await updateObject(this.#context, call.target, change, options), call);
  }

  async #bind(call: Call): Promise<ApiResponse> {
    const body = await readBody(call.request, this.#options.decoders ?? {});
    await this.#admitCreated(call, 'Binding', body);
    const change = (current: KubeObject) => bindPod(current, { binding: body, now: this.#context.clock.now() });
    const options = { ...this.#writeOptions(call), scope: 'internal' as const };
    await updateObject(this.#context, call.target, change, options);
    return json(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
  }

  /** A subresource whose objects are never stored: only validation sees them. */
  async #admitCreated(call: Call, kind: 'Binding' | 'Eviction', body: unknown): Promise<void> {
    const { target } = call;
    const apiVersion = kind === 'Eviction' ? 'policy/v1' : 'v1';
    const object = { apiVersion, kind, metadata: { name: target.name }, ...(isObject(body) ? body : {}) } as KubeObject;
    const at = { operation: 'CREATE' as const, target, object, old: this.find(target) };
    await validateByPlugins(this.#context, at, this.#writeOptions(call));
  }

  async #evict(call: Call): Promise<ApiResponse> {
    const body = await readBody(call.request, this.#options.decoders ?? {});
    const eviction = isObject(body) ? body : {};
    await this.#admitCreated(call, 'Eviction', eviction);
    const deleteOptions = checkDeleteOptions(toDeleteOptions(eviction['deleteOptions'] ?? {}));
    await evictPod(this.#context, call.target, { ...eviction, deleteOptions }, this.#writeOptions(call));
    return json(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
  }

  /** `kind`: whose options the query holds; without, nobody comes to own what is written. */
  #writeOptions(call: Call, kind?: WriteKind): WriteOptions {
    const { dryRun } = parseWriteQuery(call.request.query, kind ?? 'UpdateOptions');
    const options = { dryRun, ...admittedFor(call) };
    if (!kind) return options;
    const tracking = this.#tracking(call, { manager: managerOf(call.request, kind), operation: 'Update' });
    return { ...options, own: (before, after) => ownedAs(call.target, before, after, tracking) };
  }

  #tracking({ target }: Call, by: Pick<Writer, 'manager' | 'operation'>): Tracking {
    const { resource, subresource } = target;
    const time = timestamp(this.#context.clock.now());
    return {
      structure: structureOf(resource),
      writer: { ...by, apiVersion: apiVersion(resource), subresource, time },
      ignored: unwritable(resource, subresource),
    };
  }

  #answer(
    status: number,
    object: KubeObject,
    { target, representation, warnings: admission }: Omit<Call, 'request'>,
    decoding: readonly string[] = [],
  ): ApiResponse {
    const shown = fromStored(target, object);
    const response = representation.object(status, { object: shown, text: writtenText(shown) });
    const warnings = [...decoding, ...admission];
    if (warnings.length === 0) return response;
    return {
      ...response,
      headers: { ...response.headers, warning: warnings.map((text) => `299 - ${JSON.stringify(text)}`).join(', ') },
    };
  }
}

/** Ownership after an update, in the version of the request. */
function ownedAs(target: Target, before: State, after: KubeObject, tracking: Tracking): unknown[] | undefined {
  const shown = before.metadata ? fromStored(target, before as KubeObject) : before;
  return ownedAfterUpdate(shown, fromStored(target, after), tracking);
}

function admittedFor({
  request: { user },
  warnings,
}: Pick<Call, 'request' | 'warnings'>): Pick<AdmissionContext, 'user' | 'warn'> {
  return { user, warn: (text) => warnings.push(text) };
}

/** Its objects are copied when they are read from a body: neither converted nor settled in place. */
function isPlain({ resource }: Target): boolean {
  return resource.conversion === undefined && resource.schema === undefined;
}

function listResponse({ target, representation }: Call, { items, metadata }: Page): ApiResponse {
  const shown = items.map((item) => ({ object: objectAs(target.resource, item), text: textAs(target.resource, item) }));
  return representation.list(shown, metadata);
}

/** The kind of the answer, which may have a protobuf form. */
function answeredKind({ resource, subresource }: Target): { apiVersion: string; kind: string } {
  if (subresource === 'scale') return { apiVersion: 'autoscaling/v1', kind: 'Scale' };
  return { apiVersion: apiVersion(resource), kind: resource.kind };
}

function attributesOf({ resource, subresource, namespace, name }: Target) {
  return { group: resource.group, resource: resource.plural, subresource, namespace, name };
}

/** `approval` of a CertificateSigningRequest is a part of its status, with rights of its own. */
function isStatusLike({ resource, subresource }: Target): boolean {
  return (
    resource.status &&
    (subresource === 'status' || (resource.kind === KIND_WITH_APPROVAL && subresource === 'approval'))
  );
}

const KIND_WITH_APPROVAL = 'CertificateSigningRequest';

function methodNotAllowed(): ApiError {
  return new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error;
}
