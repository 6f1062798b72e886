import { type Resource, resourcePath } from '../../api/resource.ts';
import { componentOf } from './custom.ts';
import type { Schema } from './schemas.ts';

type Operation = Record<string, unknown>;

/** Query parameters by what a request does. */
const QUERY = {
  get: ['pretty'],
  list: [
    'allowWatchBookmarks',
    'continue',
    'fieldSelector',
    'labelSelector',
    'limit',
    'resourceVersion',
    'resourceVersionMatch',
    'sendInitialEvents',
    'timeoutSeconds',
    'watch',
  ],
  create: ['dryRun', 'fieldManager', 'fieldValidation'],
  update: ['dryRun', 'fieldManager', 'fieldValidation'],
  patch: ['dryRun', 'fieldManager', 'fieldValidation', 'force'],
  delete: ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy'],
} as const;

const INTEGERS = ['limit', 'timeoutSeconds', 'gracePeriodSeconds'];
const BOOLEANS = ['watch', 'allowWatchBookmarks', 'sendInitialEvents', 'force', 'orphanDependents'];

type Verb = keyof typeof QUERY;

/** Version 2 of OpenAPI has a parameter's type beside its name, version 3 in a schema. */
export type Version = 2 | 3;

function parameter(name: string, version: Version): Schema {
  const type = INTEGERS.includes(name) ? 'integer' : BOOLEANS.includes(name) ? 'boolean' : 'string';
  const schema = { type, uniqueItems: true };
  return { name, in: 'query', ...(version === 2 ? schema : { schema }) };
}

/** The paths of a resource with what may be done at each. */
export function pathsOf(resource: Resource, version: Version): Record<string, unknown> {
  const at = { namespace: resource.namespaced ? '{namespace}' : undefined };
  const operation = (verb: Verb) => operationOf(resource, verb, version);
  const collection = {
    get: operation('list'),
    post: operation('create'),
    delete: { ...operation('delete'), 'x-kubernetes-action': 'deletecollection' },
  };
  const single = {
    get: operation('get'),
    put: operation('update'),
    patch: operation('patch'),
    delete: operation('delete'),
  };
  const changing = { get: operation('get'), put: operation('update'), patch: operation('patch') };
  const entries: [string, unknown][] = [
    [resourcePath(resource, at), collection],
    [resourcePath(resource, { ...at, name: '{name}' }), single],
    ...(resource.status
      ? [[resourcePath(resource, { ...at, name: '{name}', subresource: 'status' }), changing] as [string, unknown]]
      : []),
  ];
  return Object.fromEntries(entries.map(([path, item]) => [decodeURIComponent(path), item]));
}

function operationOf(resource: Resource, verb: Verb, version: Version): Operation {
  const { group, version: apiVersion, kind } = resource;
  const ref = `${version === 2 ? '#/definitions/' : '#/components/schemas/'}${componentOf(resource)}`;
  const ok = version === 2 ? { schema: { $ref: ref } } : { content: { 'application/json': { schema: { $ref: ref } } } };
  return {
    'x-kubernetes-action': verb === 'create' ? 'post' : verb === 'update' ? 'put' : verb,
    'x-kubernetes-group-version-kind': { group, version: apiVersion, kind },
    parameters: QUERY[verb].map((name) => parameter(name, version)),
    responses: { 200: { description: 'OK', ...ok } },
  };
}
