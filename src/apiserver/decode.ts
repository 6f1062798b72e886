import { parse as parseYaml } from 'yaml';
import { settleCustom } from '../api/crd/settle.ts';
import { ApiError, badRequest } from '../api/errors.ts';
import { isObject } from '../api/patch/merge.ts';
import { apiVersion, type Resource } from '../api/resource.ts';
import { checkFields, typeNameOf } from '../api/schema.ts';
import type { KubeObject } from '../api/types.ts';
import { duplicateFields } from './duplicate-keys.ts';
import { prune } from './prune.ts';
import type { ApiRequest } from './request.ts';

/** Turns bodies of other media types into objects: protobuf. */
export type BodyDecoder = (body: Buffer) => unknown;

export interface Decoded {
  object: KubeObject;
  /** Texts for `Warning` headers. */
  warnings: string[];
}

/** The body as JSON data; YAML and the given decoders' media types too. */
export async function readBody(request: ApiRequest, decoders: Readonly<Record<string, BodyDecoder>>): Promise<unknown> {
  const body = await request.body();
  const type = mediaType(request.headers['content-type']);
  const decode = decoders[type];
  if (decode) return decode(body);
  if (type === 'application/yaml') return parseText(body, readYaml);
  if (JSON_TYPES.has(type)) return parseText(body, (text) => JSON.parse(text));
  const supported = ['application/json', 'application/yaml', ...Object.keys(decoders)].join(', ');
  throw new ApiError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${supported}`,
  );
}

/** A body, and what its text holds twice. */
export interface ReadObject {
  readonly body: unknown;
  /** `duplicate field "spec.replicas"`; the last one counts. */
  readonly duplicates: readonly string[];
}

/** As {@link readBody}, for an object that is validated as the query says. */
export async function readObjectBody(
  request: ApiRequest,
  decoders: Readonly<Record<string, BodyDecoder>>,
): Promise<ReadObject> {
  const body = await readBody(request, decoders);
  const isJson = JSON_TYPES.has(mediaType(request.headers['content-type']));
  const wanted = isJson && request.query.get('fieldValidation') !== 'Ignore';
  return { body, duplicates: wanted ? duplicateFields((await request.body()).toString()) : [] };
}

const JSON_TYPES = new Set(['', 'application/json', 'text/plain', '*/*']);

export function mediaType(header: string | undefined): string {
  return (header ?? '').split(';')[0]!.trim().toLowerCase();
}

/** YAML of clients: what is odd about it is not for the server's log. */
export function readYaml(text: string): unknown {
  return parseYaml(text, { logLevel: 'error' });
}

export function parseText(body: Buffer, parse: (text: string) => unknown): unknown {
  try {
    return parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`);
  }
}

/** Checks that `body` is an object of `resource`, and its fields as `fieldValidation` asks. */
export function decodeObject(
  { body, duplicates }: ReadObject,
  resource: Resource,
  fieldValidation: string | null,
): Decoded {
  if (!isObject(body)) throw badRequest(`couldn't get version/kind; json parse error: the body must be a JSON object`);
  const version = apiVersion(resource);
  if ((body['kind'] ?? resource.kind) !== resource.kind || (body['apiVersion'] ?? version) !== version) {
    throw badRequest(
      `${body['kind']} in version ${JSON.stringify(body['apiVersion'])} cannot be handled as a ${resource.kind}: no kind "${body['kind']}" is registered for version "${body['apiVersion']}"`,
    );
  }
  const object = {
    ...body,
    apiVersion: version,
    kind: resource.kind,
    metadata: { ...(body['metadata'] ?? {}) },
  } as KubeObject;
  return settle(object, resource, fieldValidation, duplicates);
}

/** An object as its kind's typed decoder would read it. Throws BadRequest as {@link checkObject} does. */
export function settle(
  object: KubeObject,
  resource: Resource,
  fieldValidation: string | null,
  duplicates: readonly string[] = [],
): Decoded {
  if (object.metadata === null || object.metadata === undefined) object.metadata = {} as KubeObject['metadata'];
  const warnings = checkObject(object, { resource, fieldValidation, duplicates });
  return { object: resource.schema ? object : prune(object, typeNameOf(resource)), warnings };
}

interface Checking {
  readonly resource: Resource;
  readonly fieldValidation: string | null;
  readonly duplicates: readonly string[];
}

/** Throws BadRequest for wrong types, and for unknown fields when strict; answers warnings otherwise. */
function checkObject(object: KubeObject, { resource, fieldValidation, duplicates }: Checking): string[] {
  const { unknown: undeclared, wrongTypes } = resource.schema
    ? settleCustom(object, resource.schema)
    : checkFields(typeNameOf(resource), object);
  if (wrongTypes.length > 0) {
    throw badRequest(
      `${resource.kind} in version ${JSON.stringify(resource.version)} cannot be handled as a ${resource.kind}: ${wrongTypes[0]}`,
    );
  }
  const unknown = [...duplicates, ...undeclared];
  if (fieldValidation === 'Strict' && unknown.length > 0) {
    throw badRequest(
      `${resource.kind} in version ${JSON.stringify(resource.version)} cannot be handled as a ${resource.kind}: strict decoding error: ${unknown.join(', ')}`,
    );
  }
  return fieldValidation === 'Ignore' ? [] : unknown;
}
