import { stringify as stringifyYaml } from 'yaml';
import { ApiError } from '../api/errors.ts';
import type { ApiResponse } from './request.ts';

export function json(status: number, body: unknown, headers: Record<string, string> = {}): ApiResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

export function yaml(status: number, body: unknown): ApiResponse {
  return { status, headers: { 'content-type': 'application/yaml' }, body: stringifyYaml(body) };
}

export function text(status: number, body: string): ApiResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
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
