import type { FieldError } from './field-error.ts';

/** Reasons of `metav1.Status`, with the HTTP code that each is answered with. */
export const STATUS_CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof STATUS_CODES;

/** `details` of `metav1.Status`. */
export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: { reason?: string; message?: string; field?: string }[];
  retryAfterSeconds?: number;
}

/** `metav1.Status` with status Failure. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  /** `continue`: how a list goes on that can't go on consistently. */
  metadata: { continue?: string };
  status: 'Failure';
  message: string;
  reason: StatusReason;
  details?: StatusDetails;
  code: number;
}

/** An operating error: rendered as `Status` by the server, thrown again by the client. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly reason: StatusReason;
  readonly code: number;
  readonly details: StatusDetails | undefined;
  /** Of the Status. */
  metadata: Status['metadata'] = {};

  constructor(reason: StatusReason, message: string, details?: StatusDetails, code?: number) {
    super(message);
    this.reason = reason;
    this.code = code ?? STATUS_CODES[reason];
    this.details = details;
  }

  toStatus(): Status {
    const { reason, message, code, details, metadata } = this;
    return { kind: 'Status', apiVersion: 'v1', metadata, status: 'Failure', message, reason, details, code };
  }
}

/** A resource as messages name it: `pods` or `deployments.apps`. */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
}

/** `deployments.apps`; the core group has no suffix. */
export function qualifiedResource(resource: ResourceName): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

export function notFound(resource: ResourceName, name: string): ApiError {
  const message = `${qualifiedResource(resource)} "${name}" not found`;
  return new ApiError('NotFound', message, { name, group: resource.group || undefined, kind: resource.plural });
}

export function alreadyExists(resource: ResourceName, name: string): ApiError {
  const message = `${qualifiedResource(resource)} "${name}" already exists`;
  return new ApiError('AlreadyExists', message, { name, group: resource.group || undefined, kind: resource.plural });
}

export function conflict(resource: ResourceName, name: string, why = OBJECT_MODIFIED): ApiError {
  const message = `Operation cannot be fulfilled on ${qualifiedResource(resource)} "${name}": ${why}`;
  return new ApiError('Conflict', message, { name, group: resource.group || undefined, kind: resource.plural });
}

const OBJECT_MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again';

/** 422 with one cause a field error: `Service "x" is invalid: spec.ports: Required value`. */
export function invalid(kind: { group: string; kind: string }, name: string, errors: readonly FieldError[]): ApiError {
  const texts = errors.map((error) => `${error.field}: ${error.message}`);
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const qualified = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const causes = errors.map(({ type, message, field }) => ({ reason: type, message, field }));
  const details = { name, group: kind.group || undefined, kind: kind.kind, causes };
  return new ApiError('Invalid', `${qualified} "${name}" is invalid: ${list}`, details);
}

export function badRequest(message: string): ApiError {
  return new ApiError('BadRequest', message);
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'NotFound';
}

export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'Conflict';
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'AlreadyExists';
}

/** The watch or continue token is older than the history that is kept. */
export function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.code === 410;
}
