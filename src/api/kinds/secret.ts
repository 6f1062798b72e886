import { isDeepStrictEqual } from 'node:util';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { type FieldError, forbidden, invalidValue, requiredValue } from '../field-error.ts';
import type { Resource } from '../resource.ts';
import type { Secret } from '../types.ts';

export const secrets: Resource<Secret> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  shortNames: [],
  categories: [],
  namespaced: true,
  status: false,
  generation: false,
  fieldSelectors: { type: (secret) => secret.type ?? '' },
  columns: [
    nameColumn,
    column('Type', (secret) => secret.type ?? ''),
    column('Data', (secret) => Object.keys(secret.data ?? {}).length),
    ageColumn,
  ],
  setDefaults(secret) {
    secret.type ||= 'Opaque';
    const plain = Object.entries(secret.stringData ?? {}).map(([key, text]) => [
      key,
      Buffer.from(text).toString('base64'),
    ]);
    if (plain.length > 0) secret.data = { ...secret.data, ...Object.fromEntries(plain) };
    delete secret.stringData;
  },
  validate: (secret) => [...validateEncoding(secret), ...validateKeys(secret), ...validateAccount(secret)],
  validateUpdate(secret, old) {
    const errors: FieldError[] = [];
    if (secret.type !== old.type) errors.push(invalidValue('type', secret.type, 'field is immutable'));
    if (!old.immutable) return errors;
    if (!secret.immutable) errors.push(forbidden('immutable', 'field is immutable when `immutable` is set'));
    if (!isDeepStrictEqual(secret.data ?? {}, old.data ?? {})) {
      errors.push(forbidden('data', 'field is immutable when `immutable` is set'));
    }
    return errors;
  },
};

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function validateEncoding(secret: Secret): FieldError[] {
  const bad = Object.entries(secret.data ?? {}).filter(([, value]) => !BASE64.test(value.replace(/\s/g, '')));
  return bad.map(([key]) => invalidValue(`data[${key}]`, '<secret contents redacted>', 'illegal base64 data'));
}

const REQUIRED_KEYS: Record<string, readonly string[]> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

function validateKeys(secret: Secret): FieldError[] {
  const missing = (REQUIRED_KEYS[secret.type ?? ''] ?? []).filter((key) => secret.data?.[key] === undefined);
  return missing.map((key) => requiredValue(`data[${key}]`));
}

/** A Secret for a ServiceAccount's token says whose. */
function validateAccount({ type, metadata }: Secret): FieldError[] {
  const name = 'kubernetes.io/service-account.name';
  if (type !== 'kubernetes.io/service-account-token' || metadata.annotations?.[name]) return [];
  return [requiredValue(`metadata.annotations[${name}]`)];
}
