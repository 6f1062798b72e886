import { ApiError, badRequest, invalid } from '../../api/errors.ts';
import { type FieldError, forbidden, invalidValue, requiredValue } from '../../api/field-error.ts';
import { isObject } from '../../api/patch/merge.ts';
import { apiVersion, type Resource } from '../../api/resource.ts';
import type { KubeObject } from '../../api/types.ts';
import { parseText, readYaml } from '../decode.ts';
import type { WriteKind } from '../query.ts';
import type { ApiRequest } from '../request.ts';
import type { Target } from '../route.ts';
import { structureOf } from './kind-structure.ts';
import { configErrors } from './merge.ts';

export const APPLY_PATCH = 'application/apply-patch+yaml';

const MANAGER_LIMIT = 128;

/** The name of the field manager of a write: `fieldManager`, else how the client calls itself. Throws Invalid. */
export function managerOf({ query, headers, user }: ApiRequest, kind: WriteKind, apply = false): string {
  const asked = query.get('fieldManager') ?? '';
  const errors = managerErrors(asked);
  if (apply && asked === '') errors.push(requiredValue('fieldManager', 'is required for apply patch'));
  if (!apply && query.has('force') && kind === 'PatchOptions')
    errors.push(forbidden('force', 'may not be specified for non-apply patch'));
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind }, '', errors);
  return asked || agentName(headers['user-agent']) || user.username.replace(/^.*:/, '');
}

function managerErrors(name: string): FieldError[] {
  const errors: FieldError[] = [];
  if (Buffer.byteLength(name) > MANAGER_LIMIT)
    errors.push({
      type: 'FieldValueTooLong',
      field: 'fieldManager',
      message: `Too long: may not be more than ${MANAGER_LIMIT} bytes`,
    });
  if (/[^\x20-\x7e\u00a0-\uffff]/.test(name))
    errors.push(invalidValue('fieldManager', name, 'should only contain printable characters'));
  return errors;
}

/** `kubectl` of `kubectl/v1.35.0 (linux/amd64)`. */
function agentName(userAgent = ''): string {
  return userAgent
    .split('/')[0]!
    .replace(/[^\x20-\x7e\u00a0-\uffff]/g, '')
    .slice(0, MANAGER_LIMIT);
}

/** The configuration of an apply patch: YAML, or JSON. Throws BadRequest. */
export async function readConfig(request: ApiRequest, { resource, name, namespace }: Target): Promise<KubeObject> {
  const body = parseText(await request.body(), (text) =>
    text.trimStart().startsWith('{') ? JSON.parse(text) : readYaml(text),
  );
  if (!isObject(body) || !isObject(body['metadata'] ?? {})) throw badRequest('error decoding YAML: expected an object');
  const { apiVersion: version, kind } = body;
  if (version !== apiVersion(resource) || kind !== resource.kind) {
    const sent = `${textOf(version)}, Kind=${textOf(kind)}`;
    throw badRequest(
      `incorrect version specified in apply patch. Specified patch version: ${sent}, expected: ${apiVersion(resource)}, Kind=${resource.kind}`,
    );
  }
  const config = { ...body, metadata: { ...(body['metadata'] ?? {}) } } as KubeObject;
  config.metadata.name ||= name;
  if (config.metadata.name !== name) {
    throw badRequest(`the name of the object (${config.metadata.name}) does not match the name on the URL (${name})`);
  }
  if (resource.namespaced && (config.metadata.namespace || namespace) !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  checkConfig(config, resource);
  return config;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function checkConfig(config: KubeObject, resource: Resource): void {
  const { name, namespace, managedFields } = config.metadata;
  if (managedFields !== undefined && managedFields !== null) throw badRequest('metadata.managedFields must be nil');
  const errors = configErrors(config, structureOf(resource));
  if (errors.length === 0) return;
  const which = `${namespace ? `${namespace}/` : ''}${name ?? ''}; ${apiVersion(resource)}, Kind=${resource.kind}`;
  const all = errors.length === 1 ? errors[0] : `errors:\n${errors.map((error) => `  ${error}`).join('\n')}`;
  throw badRequest(`failed to create typed patch object (${which}): ${all}`);
}

/** `force=true`, of an apply alone. */
export function isForced(query: URLSearchParams): boolean {
  const force = query.get('force');
  if (force === null || force === '' || force === 'false' || force === '0') return false;
  if (force === 'true' || force === '1') return true;
  throw new ApiError('BadRequest', `force: Invalid value: ${JSON.stringify(force)}: must be true or false`);
}
