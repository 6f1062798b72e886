import { badRequest, invalid } from '../api/errors.ts';
import { type FieldError, forbidden, invalidValue, notSupported } from '../api/field-error.ts';

/** `metav1.ListOptions`, without the selectors. */
export interface ListQuery {
  /** 0: no limit. */
  readonly limit: number;
  /** As the client got it; empty: the first page. */
  readonly continue: string;
  /** Undefined: the newest state. */
  readonly resourceVersion: number | undefined;
  readonly match: 'Exact' | 'NotOlderThan' | undefined;
  readonly timeoutSeconds: number;
  readonly bookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
}

const META_GROUP = 'meta.k8s.io';

/** Whether a request on a collection is a watch. */
export function isWatch(query: URLSearchParams): boolean {
  return parseBool(query.get('watch')) ?? false;
}

/** The options of a list or watch. Throws BadRequest and Invalid in Kubernetes' words. */
export function parseListQuery(query: URLSearchParams): ListQuery {
  const watch = isWatch(query);
  const parsed = {
    limit: parseInteger(query.get('limit')) ?? 0,
    continue: query.get('continue') ?? '',
    resourceVersion: parseRevision(query.get('resourceVersion')),
    match: (query.get('resourceVersionMatch') || undefined) as ListQuery['match'],
    timeoutSeconds: Math.max(0, parseInteger(query.get('timeoutSeconds')) ?? 0),
    bookmarks: parseBool(query.get('allowWatchBookmarks')) ?? false,
    sendInitialEvents: parseBool(query.get('sendInitialEvents')),
  };
  const errors = watch ? watchErrors(parsed) : listErrors(parsed);
  if (errors.length > 0) throw invalid({ group: META_GROUP, kind: 'ListOptions' }, '', errors);
  if (!watch && parsed.continue !== '' && parsed.resourceVersion)
    throw badRequest('specifying resource version is not allowed when using continue');
  return parsed;
}

const MATCH = 'resourceVersionMatch';
const INITIAL = 'sendInitialEvents';

function listErrors(query: ListQuery): FieldError[] {
  const { match, resourceVersion } = query;
  const errors: FieldError[] = [];
  if (match) {
    if (resourceVersion === undefined)
      errors.push(forbidden(MATCH, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
    if (query.continue !== '')
      errors.push(forbidden(MATCH, 'resourceVersionMatch is forbidden when continue is provided'));
    if (match !== 'Exact' && match !== 'NotOlderThan')
      errors.push(notSupported(MATCH, match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && resourceVersion === 0)
      errors.push(forbidden(MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (query.sendInitialEvents !== undefined) errors.push(forbidden(INITIAL, 'sendInitialEvents is forbidden for list'));
  return errors;
}

function watchErrors({ match, sendInitialEvents }: ListQuery): FieldError[] {
  if (sendInitialEvents === undefined) {
    return match
      ? [forbidden(MATCH, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided')]
      : [];
  }
  if (!match) return [forbidden(MATCH, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')];
  return match === 'NotOlderThan' ? [] : [notSupported(MATCH, match, ['NotOlderThan'])];
}

/** As Kubernetes reads booleans of a query: what is there and does not say no is true. */
function parseBool(text: string | null): boolean | undefined {
  return text === null ? undefined : !['false', '0'].includes(text.toLowerCase());
}

/** A 64-bit integer of the query. Throws BadRequest in the words of Go's strconv. */
export function parseInteger(text: string | null): number | undefined {
  if (text === null || text === '') return undefined;
  if (!/^[+-]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`);
  return value;
}

function parseRevision(text: string | null): number | undefined {
  if (text === null || text === '') return undefined;
  const why = /^\d+$/.test(text) ? 'value out of range' : 'invalid syntax';
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  const detail = `strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`;
  throw badRequest(`resourceVersion: ${invalidValue('resourceVersion', text, detail).message}`);
}

export type WriteKind = 'CreateOptions' | 'UpdateOptions' | 'PatchOptions' | 'DeleteOptions';

export interface WriteQuery {
  readonly dryRun: boolean;
}

const VALIDATIONS = ['Ignore', 'Warn', 'Strict'];

/** The `dryRun` and `fieldValidation` of a write. Throws Invalid. */
export function parseWriteQuery(query: URLSearchParams, kind: WriteKind): WriteQuery {
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  const errors = dryRun.filter((value) => value !== 'All').map((value) => notSupported('dryRun', value, ['All']));
  const validation = query.get('fieldValidation');
  if (validation && kind !== 'DeleteOptions' && !VALIDATIONS.includes(validation))
    errors.push(notSupported('fieldValidation', validation, VALIDATIONS));
  if (errors.length > 0) throw invalid({ group: META_GROUP, kind }, '', errors);
  return { dryRun: dryRun.length > 0 };
}
