import { createHash } from 'node:crypto';
import { apiVersion, type Resource } from '../../api/resource.ts';
import { typeNameOf } from '../../api/schema.ts';
import type { Catalog } from '../catalog.ts';
import type { PathHandler } from '../options.ts';
import type { ApiResponse } from '../request.ts';
import { describeFrom, type ReadPackageFile } from './descriptions.ts';
import { pathsOf } from './paths.ts';
import { encodeOpenApiV2, OPENAPI_V2_PROTOBUF, OPENAPI_V2_PROTOBUF_ANSWER } from './protobuf.ts';
import { componentName, type Describe, type Schema, schemasOf } from './schemas.ts';

export interface OpenApiOptions {
  catalog: Catalog;
  readPackageFile: ReadPackageFile;
}

const INFO = { title: 'Kubernetes', version: 'v1.35.0' };

/** Serves `/openapi/v2` and `/openapi/v3`. Documents are made when they are first asked for, and again when the catalog changes. */
export function createOpenApi({ catalog, readPackageFile }: OpenApiOptions): PathHandler {
  const describe = describeFrom(readPackageFile);
  const made = new Map<string, string>();
  const document = (path: string, make: () => object) => {
    const text = made.get(path) ?? JSON.stringify(make());
    made.set(path, text);
    return text;
  };
  let protobuf: Uint8Array | undefined;
  let registry: readonly Resource[] = [];
  return (request) => {
    if (request.method !== 'GET') return undefined;
    if (registry !== catalog.rows) {
      registry = catalog.rows;
      made.clear();
      protobuf = undefined;
    }
    const path = request.path.replace(/\/$/, '');
    if (path === '/openapi/v2') {
      const text = document(path, () => documentV2(registry, describe));
      if (!request.headers['accept']?.includes(OPENAPI_V2_PROTOBUF)) return answer(text);
      protobuf ??= encodeOpenApiV2(JSON.parse(text));
      return answer(protobuf, OPENAPI_V2_PROTOBUF_ANSWER);
    }
    if (path === '/openapi/v3') return answer(JSON.stringify(indexV3([...new Set(registry.map(groupPath))])));
    const at = /^\/openapi\/v3\/(.+)$/.exec(path)?.[1] ?? '';
    const rows = registry.filter((resource) => groupPath(resource) === at);
    if (rows.length === 0) return undefined;
    return answer(document(path, () => documentV3(rows, describe)));
  };
}

function answer(body: Uint8Array | string, type = 'application/json'): ApiResponse {
  return { status: 200, headers: { 'content-type': type }, body };
}

/** `api/v1`, `apis/apps/v1`. */
function groupPath(resource: Resource): string {
  return `${resource.group === '' ? 'api' : 'apis'}/${apiVersion(resource)}`;
}

/** Documents only change with the program, and with them their hashes. */
function indexV3(groupPaths: readonly string[]): object {
  const entries = groupPaths.map((path) => {
    const hash = createHash('sha256').update(`${INFO.version}/${path}`).digest('hex').toUpperCase();
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }];
  });
  return { paths: Object.fromEntries(entries) };
}

function documentV3(rows: readonly Resource[], describe: Describe): object {
  const schemas = withKinds(rows, schemasOf(rows.map(typeNameOf), { describe, refPrefix: '#/components/schemas/' }));
  const paths = Object.assign({}, ...rows.map((row) => pathsOf(row, 3))) as object;
  return { openapi: '3.0.0', info: INFO, paths, components: { schemas } };
}

function documentV2(registry: readonly Resource[], describe: Describe): object {
  const definitions = withKinds(
    registry,
    schemasOf(registry.map(typeNameOf), { describe, refPrefix: '#/definitions/' }),
  );
  const paths = Object.assign({}, ...registry.map((row) => pathsOf(row, 2))) as object;
  return { swagger: '2.0', info: INFO, paths, definitions };
}

function withKinds(rows: readonly Resource[], schemas: Record<string, Schema>): Record<string, Schema> {
  for (const { group, version, kind, ...row } of rows) {
    const schema = schemas[componentName(typeNameOf({ ...row, group, version, kind }))];
    if (schema) schema['x-kubernetes-group-version-kind'] = [{ group, version, kind }];
  }
  return schemas;
}
