import { ApiError } from '../api/errors.ts';
import type { ApiRequest, ApiResponse } from './request.ts';

export function json(status: number, body: unknown, headers: Record<string, string> = {}): ApiResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

export function text(status: number, body: string): ApiResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

/** Programs that show answers to people as they come. */
const FOR_PEOPLE = /^(?:curl|Wget|Mozilla\/5\.0)/;

/** The answer with its JSON indented when the query asks for it (`pretty`), or a person seems to look. */
export function indented(
  { query, headers }: Pick<ApiRequest, 'query' | 'headers'>,
  response: ApiResponse,
): ApiResponse {
  const asked = query.get('pretty');
  const wanted = asked === null ? FOR_PEOPLE.test(headers['user-agent'] ?? '') : ['1', 'true'].includes(asked);
  const { body } = response;
  if (!wanted || typeof body !== 'string' || response.headers['content-type'] !== 'application/json') return response;
  return { ...response, body: `${JSON.stringify(JSON.parse(body), undefined, 2)}\n` };
}

/** The one place where errors become answers. An error that nobody foresaw keeps its text to itself. */
export function errorResponse(error: unknown, onUnexpected: (error: unknown) => void): ApiResponse {
  if (error instanceof ApiError) {
    const retry = error.details?.retryAfterSeconds;
    return json(error.code, error.toStatus(), retry ? { 'retry-after': String(retry) } : {});
  }
  // Data nested too deep for the walk over it.
  if (error instanceof RangeError)
    return json(400, new ApiError('BadRequest', 'the body is nested too deep').toStatus());
  onUnexpected(error);
  return json(500, new ApiError('InternalError', 'an internal error occurred').toStatus());
}
