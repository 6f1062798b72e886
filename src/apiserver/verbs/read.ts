import { ApiError, badRequest, notFound } from '../../api/errors.ts';
import { apiVersion } from '../../api/resource.ts';
import { partialMetadata } from '../../api/table.ts';
import { CompactedError, type KeyValue, type ListResult } from '../../store/store.ts';
import type { VerbContext } from '../context.ts';
import { type Negotiated, tableOf } from '../negotiate.ts';
import { keyOf, keyPrefix, objectAs, textAs } from '../objects.ts';
import type { Target } from '../route.ts';
import { selectorOf } from '../select.ts';

export function getObject(context: VerbContext, target: Target): KeyValue {
  const item = context.store.get(keyOf(target.resource, target));
  if (!item) throw notFound(target.resource, target.name);
  return item;
}

/** A page of a list, and how to ask for the next one. */
export interface Page {
  readonly items: readonly KeyValue[];
  readonly metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
}

interface Token {
  /** Revision that all pages are read at. */
  readonly rv: number;
  /** Key where the last page ended. */
  readonly start: string;
}

export function listObjects(context: VerbContext, target: Target, query: URLSearchParams): Page {
  const limit = parseNumber(query, 'limit');
  const token = parseToken(query.get('continue'));
  const where = selectorOf(target.resource, query);
  const result = readList(context, target, { query, token, limit: where ? undefined : limit });
  const matching = where ? result.items.filter((item) => where(objectAs(target.resource, item))) : result.items;
  const items = limit && where ? matching.slice(0, limit) : matching;
  const remaining = where ? matching.length - items.length : result.remaining;
  const last = items.at(-1);
  if (remaining === 0 || !last) return { items, metadata: { resourceVersion: String(result.revision) } };
  const next = Buffer.from(JSON.stringify({ rv: result.revision, start: last.key })).toString('base64url');
  const counted = where ? {} : { remainingItemCount: remaining };
  return { items, metadata: { resourceVersion: String(result.revision), continue: next, ...counted } };
}

interface ReadOptions {
  readonly query: URLSearchParams;
  readonly token: Token | undefined;
  readonly limit: number | undefined;
}

function readList({ store }: VerbContext, target: Target, { query, token, limit }: ReadOptions): ListResult {
  const revision = token?.rv ?? exactRevision(query, store.revision);
  try {
    return store.list(keyPrefix(target.resource, target.namespace), { startAfter: token?.start, limit, revision });
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    const message = token
      ? 'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'
      : `The resourceVersion for the provided list is too old.`;
    throw new ApiError('Expired', message);
  }
}

/** A list is at an older revision only when asked for exactly; "not older than" is always the newest. */
function exactRevision(query: URLSearchParams, newest: number): number | undefined {
  const match = query.get('resourceVersionMatch');
  const revision = parseNumber(query, 'resourceVersion');
  if (match && query.get('resourceVersion') === null) {
    throw badRequest(
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    );
  }
  if (revision !== undefined && revision > newest) {
    throw new ApiError('Timeout', `Too large resource version: ${revision}, current: ${newest}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    });
  }
  const exact = match === 'Exact' || (match === null && query.get('limit') !== null && query.get('limit') !== '0');
  return exact && revision ? revision : undefined;
}

function parseToken(text: string | null): Token | undefined {
  if (!text) return undefined;
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as Token;
    if (Number.isInteger(token.rv) && typeof token.start === 'string') return token;
  } catch {
    // Falls through to the same answer as a token of the wrong form.
  }
  throw badRequest('continue key is not valid: it must be a token that the server gave');
}

/** A non-negative integer of the query. Throws BadRequest. */
export function parseNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw badRequest(`${name}: Invalid value: ${JSON.stringify(text)}: must be a non-negative integer`);
  }
  return Number(text);
}

export interface ListRender {
  readonly target: Target;
  readonly negotiated: Negotiated;
  readonly now: number;
}

/** A list as JSON text: stored objects go out as they were written. */
export function renderList(page: Page, { target, negotiated, now }: ListRender): string {
  const { resource } = target;
  const metadata = JSON.stringify(page.metadata);
  const objects = () => page.items.map((item) => objectAs(resource, item));
  if (negotiated.format === 'table') {
    return JSON.stringify(tableOf(objects(), page.metadata, { resource, negotiated, now }));
  }
  if (negotiated.format === 'partial') {
    const items = objects().map(partialMetadata);
    const kind = 'PartialObjectMetadataList';
    return JSON.stringify({ kind, apiVersion: `meta.k8s.io/${negotiated.version}`, metadata: page.metadata, items });
  }
  const items = page.items.map((item) => textAs(resource, item)).join(',');
  const kind = resource.listKind ?? `${resource.kind}List`;
  return `{"kind":"${kind}","apiVersion":"${apiVersion(resource)}","metadata":${metadata},"items":[${items}]}`;
}
