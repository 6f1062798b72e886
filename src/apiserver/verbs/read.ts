import { ApiError, badRequest, notFound } from '../../api/errors.ts';
import { CompactedError, type KeyValue, type ListResult } from '../../store/store.ts';
import type { VerbContext } from '../context.ts';
import { keyOf, keyPrefix, objectAs } from '../objects.ts';
import { type ListQuery, parseListQuery } from '../query.ts';
import type { ListMeta } from '../representation.ts';
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
  readonly metadata: ListMeta;
}

interface Token {
  /** Revision that all pages are read at; -1: whatever is the newest by then. */
  readonly rv: number;
  /** Key where the last page ended. */
  readonly start: string;
}

export function listObjects(context: VerbContext, target: Target, query: URLSearchParams): Page {
  const options = parseListQuery(query);
  const { limit } = options;
  const token = parseToken(options.continue);
  const where = selectorOf(target.resource, query);
  const result = readList(context, target, { options, token, limit: where ? undefined : limit });
  const matching = where ? result.items.filter((item) => where(objectAs(target.resource, item))) : result.items;
  const items = limit > 0 && where ? matching.slice(0, limit) : matching;
  const remaining = where ? matching.length - items.length : result.remaining;
  const last = items.at(-1);
  const resourceVersion = String(result.revision);
  if (remaining === 0 || !last) return { items, metadata: { resourceVersion } };
  const next = formatToken({ rv: result.revision, start: last.key });
  // With a selector nobody has counted what is left.
  const counted = where ? {} : { remainingItemCount: remaining };
  return { items, metadata: { resourceVersion, continue: next, ...counted } };
}

interface ReadOptions {
  readonly options: ListQuery;
  readonly token: Token | undefined;
  readonly limit: number | undefined;
}

function readList({ store }: VerbContext, target: Target, { options, token, limit }: ReadOptions): ListResult {
  const revision = token ? (token.rv < 0 ? undefined : token.rv) : revisionAsked(options, store.revision);
  try {
    return store.list(keyPrefix(target.resource, target.namespace), { startAfter: token?.start, limit, revision });
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    if (!token) throw new ApiError('Expired', 'The resourceVersion for the provided list is too old.');
    const expired = new ApiError('Expired', INCONSISTENT);
    expired.metadata = { continue: formatToken({ rv: -1, start: token.start }) };
    throw expired;
  }
}

const INCONSISTENT =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

/** A list is at an older revision only when asked for exactly; "not older than" is always the newest. */
function revisionAsked({ resourceVersion, match, limit }: ListQuery, newest: number): number | undefined {
  if (resourceVersion !== undefined && resourceVersion > newest) throw tooLarge(resourceVersion, newest);
  const exact = match === 'Exact' || (match === undefined && limit > 0);
  return exact && resourceVersion ? resourceVersion : undefined;
}

/** A revision that is not reached yet: the client may try again. */
export function tooLarge(revision: number, newest: number): ApiError {
  return new ApiError('Timeout', `Too large resource version: ${revision}, current: ${newest}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

function formatToken(token: Token): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function parseToken(text: string): Token | undefined {
  if (text === '') return undefined;
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as Token;
    if (Number.isSafeInteger(token.rv) && typeof token.start === 'string') return token;
  } catch {
    // Falls through to the same answer as a token of the wrong form.
  }
  throw badRequest('continue key is not valid: it must be a token that the server gave');
}
