import { ApiError, badRequest, notFound } from '../api/errors.ts';
import { isObject } from '../api/patch/merge.ts';
import { apiVersion } from '../api/resource.ts';
import { typeNameOf } from '../api/schema.ts';
import type { KubeObject } from '../api/types.ts';
import { timestamp } from '../lib/clock.ts';
import type { AdmissionContext } from './admission.ts';
import { structureOf } from './apply/kind-structure.ts';
import type { Writer } from './apply/managers.ts';
import { ownedAfterUpdate, type State, type Tracking, unwritable } from './apply/ownership.ts';
import { APPLY_PATCH, isForced, managerOf, readConfig, type WriteKind } from './apply/request.ts';
import type { VerbContext } from './context.ts';
import { fromStored, storedTarget, toStored } from './conversion.ts';
import { decodeObject, mediaType, readBody, settle } from './decode.ts';
import { type Negotiated, negotiate, renderObject } from './negotiate.ts';
import { keyOf, objectAs, objectOf, textAs } from './objects.ts';
import { type ApiServerOptions, isWatch } from './options.ts';
import { readPatch, readReplacement } from './patch-body.ts';
import type { ApiRequest, ApiResponse } from './request.ts';
import { json, yaml } from './respond.ts';
import type { Target } from './route.ts';
import { bindPod, finalizeNamespace, SUBRESOURCE_VERBS } from './subresources.ts';
import { applyObject } from './verbs/apply.ts';
import { type DeleteOptions, deleteObject } from './verbs/delete.ts';
import { type Eviction, evictPod } from './verbs/evict.ts';
import { getObject, listObjects, renderList } from './verbs/read.ts';
import { scaleOf, withScale } from './verbs/scale.ts';
import { watchObjects } from './verbs/watch.ts';
import { createObject, type UpdateScope, updateObject, type WriteOptions } from './verbs/write.ts';

interface Call {
  readonly request: ApiRequest;
  readonly target: Target;
  readonly negotiated: Negotiated;
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
    const negotiated = negotiate(request.headers['accept'], request.query, this.#options.encodeProtobuf !== undefined);
    const call: Call = { request, target, negotiated, warnings: [] };
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
    const object = this.find(target);
    if (!object) throw notFound(target.resource, target.name);
    return handler.handle(request, object);
  }

  async #collection(call: Call): Promise<ApiResponse> {
    const { request, target, negotiated } = call;
    if (request.method === 'POST') return this.#create(call);
    if (request.method === 'DELETE') return this.#deleteCollection(call);
    if (request.method !== 'GET') throw methodNotAllowed();
    if (isWatch(request.query)) {
      const json = { ...negotiated, encoding: 'json' as const };
      const end = this.#options.catalog.endOf(target.resource);
      const signal = end ? AbortSignal.any([request.signal, end]) : request.signal;
      const body = watchObjects(this.#context, { ...call, negotiated: json, query: request.query, signal });
      return { status: 200, headers: { 'content-type': 'application/json' }, body };
    }
    const page = listObjects(this.#context, target, request.query);
    const body = renderList(page, { target, negotiated, now: this.#context.clock.now() });
    if (negotiated.encoding !== 'json') return this.#encode(200, JSON.parse(body), negotiated);
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
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

  #get({ target, negotiated }: Call): ApiResponse {
    const item = getObject(this.#context, target);
    if (negotiated.format === 'object' && negotiated.encoding === 'json') {
      return { status: 200, headers: { 'content-type': 'application/json' }, body: textAs(target.resource, item) };
    }
    return this.#answer(200, objectOf(item), { target, negotiated, warnings: [] });
  }

  async #create(call: Call): Promise<ApiResponse> {
    const { request, target } = call;
    const body = await readBody(request, this.#options.decoders ?? {});
    const { object, warnings } = decodeObject(body, target.resource, request.query.get('fieldValidation'));
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
    const body = await readBody(request, this.#options.decoders ?? {});
    const { object, warnings } = decodeObject(body, target.resource, request.query.get('fieldValidation'));
    const options = { ...this.#writeOptions(call, 'UpdateOptions'), scope };
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
    const options = { ...this.#writeOptions(call, 'PatchOptions'), scope };
    const updated = await updateObject(this.#context, storedTarget(target), change, options);
    return this.#answer(200, updated, call, warnings);
  }

  async #apply(call: Call, scope: UpdateScope): Promise<ApiResponse> {
    const { request, target } = call;
    const { resource } = target;
    const { dryRun, user, warn } = this.#writeOptions(call);
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
    return this.#encode(
      200,
      { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details },
      call.negotiated,
    );
  }

  async #deleteCollection(call: Call): Promise<ApiResponse> {
    const { request, target, negotiated } = call;
    const options = await this.#deleteOptions(request);
    const page = listObjects(this.#context, target, request.query);
    for (const item of page.items) {
      const { name, namespace = '' } = objectOf(item).metadata;
      await deleteObject(this.#context, { ...storedTarget(target), name, namespace }, options, admittedFor(call)).catch(
        ignoreNotFound,
      );
    }
    const body = renderList(page, { target, negotiated, now: this.#context.clock.now() });
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  }

  async #deleteOptions(request: ApiRequest): Promise<DeleteOptions> {
    const body = (await request.body()).length > 0 ? await readBody(request, this.#options.decoders ?? {}) : {};
    if (!isObject(body)) throw badRequest('the body must be DeleteOptions');
    const options = body as DeleteOptions;
    const query = request.query;
    const grace = query.get('gracePeriodSeconds');
    return {
      ...options,
      ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
      ...(query.get('propagationPolicy') === null ? {} : { propagationPolicy: query.get('propagationPolicy')! }),
      dryRun: query.get('dryRun') ? ['All'] : options.dryRun,
    };
  }

  async #scale(call: Call): Promise<ApiResponse> {
    const { request, target } = call;
    if (request.method === 'GET')
      return this.#encode(
        200,
        scaleOf(target.resource, objectAs(target.resource, getObject(this.#context, target))),
        call.negotiated,
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
    return this.#encode(200, scaleOf(target.resource, fromStored(target, updated)), call.negotiated);
  }

  async #finalize(call: Call): Promise<ApiResponse> {
    const body = await readBody(call.request, this.#options.decoders ?? {});
    const change = (current: KubeObject) => finalizeNamespace(current, body);
    const options = { ...this.#writeOptions(call), scope: 'finalize' as const };
    return this.#answer(200, await updateObject(this.#context, call.target, change, options), call);
  }

  async #bind(call: Call): Promise<ApiResponse> {
    const body = await readBody(call.request, this.#options.decoders ?? {});
    const change = (current: KubeObject) => bindPod(current, { binding: body, now: this.#context.clock.now() });
    const options = { ...this.#writeOptions(call), scope: 'internal' as const };
    await updateObject(this.#context, call.target, change, options);
    return json(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
  }

  async #evict(call: Call): Promise<ApiResponse> {
    const body = (await readBody(call.request, this.#options.decoders ?? {})) as Eviction;
    await evictPod(this.#context, call.target, body, this.#writeOptions(call));
    return json(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
  }

  /** `kind`: whose options the query holds; without, nobody comes to own what is written. */
  #writeOptions(call: Call, kind?: WriteKind): WriteOptions {
    const dryRun = call.request.query.get('dryRun');
    if (dryRun !== null && dryRun !== 'All') {
      throw badRequest(`dryRun: Unsupported value: ${JSON.stringify(dryRun)}: supported values: "All"`);
    }
    const options = { dryRun: dryRun === 'All', ...admittedFor(call) };
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
    { target, negotiated, warnings: admission }: Omit<Call, 'request'>,
    decoding: readonly string[] = [],
  ): ApiResponse {
    const body = renderObject(fromStored(target, object), {
      resource: target.resource,
      negotiated,
      now: this.#context.clock.now(),
    });
    const response = this.#encode(status, body, negotiated);
    const warnings = [...decoding, ...admission];
    if (warnings.length === 0) return response;
    return {
      ...response,
      headers: { ...response.headers, warning: warnings.map((text) => `299 - ${JSON.stringify(text)}`).join(', ') },
    };
  }

  #encode(status: number, body: unknown, { encoding }: Negotiated): ApiResponse {
    if (encoding === 'yaml') return yaml(status, body);
    const bytes = encoding === 'protobuf' ? this.#options.encodeProtobuf?.(body as object) : undefined;
    if (!bytes) return json(status, body);
    return { status, headers: { 'content-type': 'application/vnd.kubernetes.protobuf' }, body: bytes };
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
