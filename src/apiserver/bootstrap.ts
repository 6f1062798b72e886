import { isDeepStrictEqual } from 'node:util';
import { namespaces } from '../api/kinds/namespace.ts';
import { priorityClasses } from '../api/kinds/priorityclass.ts';
import { type Resource, resourcePath, row } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import { MASTERS } from './auth/names.ts';
import { type Wanted, wantedRbac } from './rbac/bootstrap.ts';
import type { ApiRequest, ApiResponse } from './request.ts';
import type { ApiServer } from './server.ts';

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

const PRIORITY_CLASSES = [
  {
    name: 'system-node-critical',
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    name: 'system-cluster-critical',
    value: 2_000_000_000,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
];

/**
 * Makes what the API server itself needs: namespaces, priority classes, default roles and bindings. What is there stays as
 * people changed it, and gets what it lacks. Throws when the server refuses one.
 */
export async function bootstrapObjects(server: ApiServer): Promise<void> {
  await Promise.all(NAMESPACES.map((name) => ensure(server, fixed(row(namespaces), { metadata: { name } }))));
  const classes = PRIORITY_CLASSES.map(({ name, ...fields }) =>
    fixed(row(priorityClasses), { metadata: { name }, ...fields, preemptionPolicy: 'PreemptLowerPriority' }),
  );
  await Promise.all([...classes, ...wantedRbac()].map((wanted) => ensure(server, wanted)));
}

function fixed(resource: Resource, object: object): Wanted {
  return { resource, object: object as KubeObject, merge: (existing) => existing };
}

async function ensure(server: ApiServer, { resource, object, merge }: Wanted): Promise<void> {
  const { name, namespace } = object.metadata;
  const path = resourcePath(resource, namespace ? { namespace, name } : { name });
  const existing = server.locate(path)?.object;
  if (!existing) {
    await send(server, 'POST', resourcePath(resource, namespace ? { namespace } : {}), object);
    return;
  }
  const merged = merge(existing);
  if (!isDeepStrictEqual(merged, existing)) await send(server, 'PUT', path, merged);
}

async function send(server: ApiServer, method: string, path: string, object: object): Promise<void> {
  const response = await server.handle(request(method, path, JSON.stringify(object)));
  if (response.status >= 300) throw new Error(`Bootstrap ${path}: ${textOf(response)}`);
}

function request(method: string, path: string, body: string): ApiRequest {
  return {
    method,
    path,
    query: new URLSearchParams(),
    headers: { 'content-type': 'application/json' },
    user: { username: 'system:apiserver', groups: [MASTERS] },
    body: () => Promise.resolve(Buffer.from(body)),
    signal: new AbortController().signal,
  };
}

function textOf({ body }: ApiResponse): string {
  return typeof body === 'string' ? body : '';
}
