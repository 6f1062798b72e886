import { ApiError, badRequest } from '../api/errors.ts';
import type { Resource } from '../api/resource.ts';
import { type IncludeObject, tableColumns, tableRow } from '../api/table.ts';
import type { KubeObject } from '../api/types.ts';

/** The form an answer takes. */
export type Format = 'object' | 'table' | 'partial';

export interface Negotiated {
  readonly format: Format;
  readonly encoding: 'json' | 'yaml' | 'protobuf';
  /** `v1` or `v1beta1` of meta.k8s.io, for tables and partial objects. */
  readonly version: string;
  readonly include: IncludeObject;
}

/** The form and media type that a part of an `Accept` header asks for. */
type Accepted = Omit<Negotiated, 'include'>;

/** Clients send the same few headers again and again. */
const HEADERS_KEPT = 1000;
const parsedHeaders = new Map<string, readonly Accepted[]>();

/**
 * The first form of the `Accept` header that the server speaks. `hasProtobuf`: the answer has a protobuf form; tables
 * never have one. Throws NotAcceptable.
 */
export function negotiate(accept: string | undefined, query: URLSearchParams, hasProtobuf: boolean): Negotiated {
  const include = (query.get('includeObject') || 'Metadata') as IncludeObject;
  if (!['None', 'Metadata', 'Object'].includes(include))
    throw badRequest(`unrecognized includeObject value: ${JSON.stringify(include)}`);
  const accepted = acceptedBy(accept || '*/*').find(
    ({ encoding, format }) => encoding !== 'protobuf' || format === 'partial' || (hasProtobuf && format === 'object'),
  );
  if (accepted) return { ...accepted, include };
  const supported = `application/json, application/yaml${hasProtobuf ? ', application/vnd.kubernetes.protobuf' : ''}`;
  throw new ApiError('NotAcceptable', `only the following media types are accepted: ${supported}`);
}

function acceptedBy(header: string): readonly Accepted[] {
  let accepted = parsedHeaders.get(header);
  if (!accepted) {
    accepted = header.split(',').flatMap(parsePart);
    if (parsedHeaders.size >= HEADERS_KEPT) parsedHeaders.clear();
    parsedHeaders.set(header, accepted);
  }
  return accepted;
}

function parsePart(part: string): Accepted[] {
  const [type = '', ...parameters] = part.split(';').map((text) => text.trim());
  const pairs = parameters.map((parameter) => parameter.split('=') as [string, string]);
  const format = formatOf(Object.fromEntries(pairs));
  const encoding = encodingOf(type.toLowerCase());
  return format && encoding ? [{ ...format, encoding }] : [];
}

function encodingOf(type: string): Negotiated['encoding'] | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*' || type === '') return 'json';
  if (type === 'application/yaml') return 'yaml';
  return type === 'application/vnd.kubernetes.protobuf' ? 'protobuf' : undefined;
}

function formatOf(parameters: Record<string, string>): Pick<Negotiated, 'format' | 'version'> | undefined {
  const { as, v = 'v1', g } = parameters;
  if (as === undefined) return { format: 'object', version: v };
  if (g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) return undefined;
  if (as === 'Table') return { format: 'table', version: v };
  if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { format: 'partial', version: v };
  return undefined;
}

export interface RenderOptions {
  readonly resource: Resource;
  readonly negotiated: Negotiated;
  readonly now: number;
}

/** `meta.k8s.io` Table of objects. */
export function tableOf(
  objects: readonly KubeObject[],
  metadata: object,
  options: RenderOptions & { columns?: boolean },
): object {
  const { resource, negotiated, now } = options;
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${negotiated.version}`,
    metadata,
    columnDefinitions: options.columns === false ? [] : tableColumns(resource),
    rows: objects.map((object) => tableRow(resource, object, { now, include: negotiated.include })),
  };
}
