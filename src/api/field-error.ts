/** Kinds of field error, the `reason` of a Status cause (apimachinery `field.ErrorType`). */
export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueDuplicate'
  | 'FieldValueNotFound'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid';

/** One broken rule of one field. */
export interface FieldError {
  readonly type: FieldErrorType;
  /** JSON path: `spec.ports[0].port`. */
  readonly field: string;
  /** Kubernetes' wording without the path: `Invalid value: 0: must be between 1 and 65535, inclusive`. */
  readonly message: string;
}

export function requiredValue(field: string, detail = ''): FieldError {
  return { type: 'FieldValueRequired', field, message: suffixed('Required value', detail) };
}

export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  return { type: 'FieldValueInvalid', field, message: suffixed(`Invalid value: ${JSON.stringify(value)}`, detail) };
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const names = supported.map((name) => JSON.stringify(name)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${names}`;
  return { type: 'FieldValueNotSupported', field, message };
}

export function forbidden(field: string, detail: string): FieldError {
  return { type: 'FieldValueForbidden', field, message: suffixed('Forbidden', detail) };
}

export function duplicateValue(field: string, value: unknown): FieldError {
  return { type: 'FieldValueDuplicate', field, message: `Duplicate value: ${JSON.stringify(value)}` };
}

function suffixed(text: string, detail: string): string {
  return detail === '' ? text : `${text}: ${detail}`;
}
