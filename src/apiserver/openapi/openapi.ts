import { createHash } from 'node:crypto';
import { apiVersion, type Resource } from '../../api/resource.ts';
import { typeNameOf } from '../../api/schema.ts';
import type { Catalog } from '../catalog.ts';
import type { PathHandler } from '../options.ts';
import type { ApiResponse } from '../request.ts';
import { componentOf, customSchema } from './custom.ts';
import { describeFrom, type ReadPackageFile } from './descriptions.ts';
import { pathsOf, type Version } from './paths.ts';
import { encodeOpenApiV2, OPENAPI_V2_PROTOBUF, OPENAPI_V2_PROTOBUF_ANSWER } from './protobuf.ts';
import { type Describe, type Schema, type SchemaOptions, schemasOf } from './schemas.ts';

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
  const rowsAt = (at: string) => registry.filter((resource) => groupPath(resource) === at);
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
    if (path === '/openapi/v3')
      return answer(
        JSON.stringify(
          indexV3(registry, (at) => document(`/openapi/v3/${at}`, () => documentV3(rowsAt(at), describe))),
        ),
      );
    const at = /^\/openapi\/v3\/(.+)$/.exec(path)?.[1] ?? '';
    return rowsAt(at).length > 0 ? answer(document(path, () => documentV3(rowsAt(at), describe))) : undefined;
  };
}

function answer(body: Uint8Array | string, type = 'application/json'): ApiResponse {
  return { status: 200, headers: { 'content-type': type }, body };
}

/** `api/v1`, `apis/apps/v1`. */
function groupPath(resource: Resource): string {
  return `${resource.group === '' ? 'api' : 'apis'}/${apiVersion(resource)}`;
}

/** Documents of the program's own kinds only change with the program; those of definitions with what they define. */
function indexV3(registry: readonly Resource[], read: (path: string) => string): object {
  const entries = [...new Set(registry.map(groupPath))].map((path) => {
    const custom = registry.some((resource) => resource.schema && groupPath(resource) === path);
    const content = custom ? read(path) : `${INFO.version}/${path}`;
    const hash = createHash('sha256').update(content).digest('hex').toUpperCase();
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }];
  });
  return { paths: Object.fromEntries(entries) };
}

const V3_SCHEMAS = '#/components/schemas/';
const V2_SCHEMAS = '#/definitions/';

function documentV3(rows: readonly Resource[], describe: Describe): object {
  const schemas = allSchemas(rows, { describe, refPrefix: V3_SCHEMAS, version: 3 });
  const paths = Object.assign({}, ...rows.map((row) => pathsOf(row, 3))) as object;
  return { openapi: '3.0.0', info: INFO, paths, components: { schemas } };
}

function documentV2(registry: readonly Resource[], describe: Describe): object {
  const definitions = allSchemas(registry, { describe, refPrefix: V2_SCHEMAS, version: 2 });
  const paths = Object.assign({}, ...registry.map((row) => pathsOf(row, 2))) as object;
  return { swagger: '2.0', info: INFO, paths, definitions };
}

function allSchemas(
  rows: readonly Resource[],
  { version, ...options }: SchemaOptions & { version: Version },
): Record<string, Schema> {
  const custom = rows.filter(({ schema }) => schema !== undefined);
  const roots = rows.filter(({ schema }) => schema === undefined).map(typeNameOf);
  const meta = custom.length > 0 ? ['meta/v1.ObjectMeta'] : [];
  const schemas = withKinds(rows, schemasOf([...roots, ...meta], options));
  const { refPrefix } = options;
  for (const row of custom) schemas[componentOf(row)] = customSchema(row, { version, refPrefix });
  return schemas;
}

function withKinds(rows: readonly Resource[], schemas: Record<string, Schema>): Record<string, Schema> {
  for (const row of rows) {
    const { group, version, kind } = row;
    const schema = schemas[componentOf(row)];
    if (schema) schema['x-kubernetes-group-version-kind'] = [{ group, version, kind }];
  }
  return schemas;
}
