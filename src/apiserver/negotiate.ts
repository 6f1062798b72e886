import { ApiError } from '../api/errors.ts';
import type { Resource } from '../api/resource.ts';
import { type IncludeObject, partialMetadata, tableColumns, tableRow } from '../api/table.ts';
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

/** The first form of the `Accept` header that the server speaks. Throws NotAcceptable. */
export function negotiate(accept: string | undefined, query: URLSearchParams, protobuf: boolean): Negotiated {
  const include = (query.get('includeObject') ?? 'Metadata') as IncludeObject;
  for (const part of (accept || '*/*').split(',')) {
    const [type = '', ...parameters] = part.split(';').map((text) => text.trim());
    const format = formatOf(
      Object.fromEntries(parameters.map((parameter) => parameter.split('=') as [string, string])),
    );
    const encoding = encodingOf(type.toLowerCase(), protobuf);
    if (format && encoding && (encoding !== 'protobuf' || format.format !== 'table'))
      return { ...format, encoding, include };
  }
  const supported = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';
  throw new ApiError('NotAcceptable', `only the following media types are accepted: ${supported}`);
}

function encodingOf(type: string, protobuf: boolean): Negotiated['encoding'] | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*' || type === '') return 'json';
  if (type === 'application/yaml') return 'yaml';
  return type === 'application/vnd.kubernetes.protobuf' && protobuf ? 'protobuf' : undefined;
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

/** One object in the asked form. */
export function renderObject(object: KubeObject, options: RenderOptions): unknown {
  const { format, version } = options.negotiated;
  if (format === 'table') return tableOf([object], { resourceVersion: object.metadata.resourceVersion }, options);
  if (format === 'partial') return { ...partialMetadata(object), apiVersion: `meta.k8s.io/${version}` };
  return object;
}

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
