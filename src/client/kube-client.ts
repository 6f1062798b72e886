import { ApiError, type Status, type StatusReason } from '../api/errors.ts';
import { apiVersion, type Resource, resourcePath } from '../api/resource.ts';
import type { KubeList, KubeObject } from '../api/types.ts';
import type { Client, DeleteOptions, ListOptions, ObjectKey, PatchType, WatchEvent, WatchOptions } from './client.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

/** A {@link Client} over a transport. */
export function createClient(transport: Transport): Client {
  const json = async (request: TransportRequest) =>
    JSON.parse(await readText(await send(transport, request))) as unknown;
  const put = <T extends KubeObject>(resource: Resource<T>, object: T, subresource?: string) => {
    const path = resourcePath(resource, { ...object.metadata, subresource });
    return json({
      method: 'PUT',
      path,
      headers: JSON_HEADERS,
      body: JSON.stringify(withType(resource, object)),
    }) as Promise<T>;
  };
  return {
    get: (resource, key) => json({ method: 'GET', path: resourcePath(resource, key) }) as never,
    list: async <T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}) => {
      const path = `${resourcePath(resource, { namespace: options.namespace })}${queryOf(options)}`;
      const list = (await json({ method: 'GET', path })) as KubeList<T>;
      return { ...list, items: (list.items ?? []).map((item) => typed(resource, item)) };
    },
    create: (resource, object) => {
      const path = resourcePath(resource, { namespace: object.metadata.namespace });
      return json({
        method: 'POST',
        path,
        headers: JSON_HEADERS,
        body: JSON.stringify(withType(resource, object)),
      }) as never;
    },
    update: (resource, object) => put(resource, object),
    updateStatus: (resource, object) => put(resource, object, 'status'),
    updateSubresource: (resource, object, subresource) => put(resource, object, subresource),
    patch: (resource, key, patch) => {
      const { fieldManager, force } = patch;
      const query = queryOf({ fieldManager, force });
      const path = `${resourcePath(resource, { ...key, subresource: patch.subresource })}${query}`;
      const headers = { 'content-type': PATCH_TYPES[patch.type] };
      return json({ method: 'PATCH', path, headers, body: JSON.stringify(patch.body) }) as never;
    },
    delete: async (resource, key, options: DeleteOptions = {}) => {
      const body = JSON.stringify({ kind: 'DeleteOptions', apiVersion: 'v1', ...options });
      await json({ method: 'DELETE', path: resourcePath(resource, key), headers: JSON_HEADERS, body });
    },
    createSubresource: (resource: Resource<never>, key: ObjectKey, subresource: string, body: unknown) =>
      json({
        method: 'POST',
        path: resourcePath(resource, { ...key, subresource }),
        headers: JSON_HEADERS,
        body: JSON.stringify(body),
      }),
    watch: (resource, options, signal) => watch(transport, { resource, options, signal }) as never,
  };
}

const JSON_HEADERS = { 'content-type': 'application/json' };

const PATCH_TYPES: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

/** Some servers leave out of a list's items what the list itself says. */
function typed<T extends KubeObject>(resource: Resource<T>, item: T): T {
  return item.kind ? item : { ...item, apiVersion: apiVersion(resource), kind: resource.kind };
}

function withType(resource: Pick<Resource, 'group' | 'version' | 'kind'>, object: object): object {
  return { ...object, apiVersion: apiVersion(resource), kind: resource.kind };
}

function queryOf(options: object): string {
  const pairs = Object.entries(options as Record<string, unknown>).filter(
    ([key, value]) => value !== undefined && key !== 'namespace',
  );
  const query = new URLSearchParams(pairs.map(([key, value]): [string, string] => [key, String(value)])).toString();
  return query === '' ? '' : `?${query}`;
}

async function send(transport: Transport, request: TransportRequest): Promise<TransportResponse> {
  const response = await transport(request).catch((error: unknown) => {
    if (request.signal?.aborted) throw request.signal.reason;
    throw new ApiError('ServiceUnavailable', `${request.method} ${request.path}: ${(error as Error).message}`);
  });
  if (response.status >= 400) throw toError(response.status, await readText(response));
  return response;
}

async function readText(response: TransportResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function toError(code: number, text: string): ApiError {
  try {
    const status = JSON.parse(text) as Status;
    if (status.kind === 'Status') return fromStatus(status);
  } catch {
    // A proxy's answer, not an API server's.
  }
  return new ApiError(REASONS[code] ?? 'InternalError', text.slice(0, 500), undefined, code);
}

function fromStatus(status: Status): ApiError {
  return new ApiError(status.reason, status.message, status.details, status.code);
}

const REASONS: Record<number, StatusReason> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  503: 'ServiceUnavailable',
};

interface WatchCall {
  readonly resource: Resource<never>;
  readonly options: WatchOptions;
  readonly signal: AbortSignal;
}

async function* watch(
  transport: Transport,
  { resource, options, signal }: WatchCall,
): AsyncGenerator<WatchEvent<KubeObject>> {
  const { namespace, ...query } = options as WatchOptions & ListOptions;
  const path = `${resourcePath(resource, { namespace })}${queryOf({ ...query, watch: true })}`;
  const response = await send(transport, { method: 'GET', path, signal });
  for await (const line of lines(response.body)) {
    const event = JSON.parse(line) as { type: string; object: Status };
    if (event.type === 'ERROR') throw fromStatus(event.object);
    yield event as unknown as WatchEvent<KubeObject>;
  }
}

/** Longest line of a watch, in characters: an object is at most 3 MiB. */
const LINE_LIMIT = 8 * 1024 * 1024;

async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split('\n');
    rest = parts.pop()!;
    if (rest.length > LINE_LIMIT) throw new ApiError('InternalError', 'a watch event is longer than any object');
    yield* parts.filter((part) => part !== '');
  }
}
