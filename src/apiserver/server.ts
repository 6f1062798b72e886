import { ApiError } from '../api/errors.ts';
import type { KubeObject } from '../api/types.ts';
import type { Admission } from './admission.ts';
import { admitConnection } from './connect.ts';
import type { VerbContext } from './context.ts';
import { Definitions } from './crd/definitions.ts';
import { discovered, type Serves } from './discovered.ts';
import { discover, SERVER_VERSION } from './discovery.ts';
import { Fanout } from './fanout.ts';
import type { Filter } from './filter.ts';
import { ResourceHandler } from './handler.ts';
import { createHealth } from './health.ts';
import type { ApiServerOptions, Attributes } from './options.ts';
import { isWatch } from './query.ts';
import type { ApiRequest, ApiResponse, UserInfo } from './request.ts';
import { errorResponse, indented, json } from './respond.ts';
import { Router, type Target } from './route.ts';

export interface ApiServer {
  /** Never rejects: errors are answers. */
  handle(request: ApiRequest): Promise<ApiResponse>;
  /** The resource that a path names, and the object if it exists: for connections that leave HTTP (exec, attach). */
  locate(path: string): { target: Target; object: KubeObject | undefined } | undefined;
  /** Throws Forbidden unless the user may do what the request asks. */
  authorize(user: UserInfo, request: Pick<ApiRequest, 'method' | 'path' | 'query'>): void;
  /** Rejects unless admission lets a connection leave HTTP (exec, attach). */
  admitConnection(request: Pick<ApiRequest, 'user' | 'path' | 'query'>): Promise<void>;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const admissions = [...(options.admissions ?? [])];
  const context: VerbContext = { plugins: [], ...options, admissions, fanout: new Fanout(options.clock) };
  const definitions = new Definitions(context, options.log);
  admissions.push(definitions.admission as Admission);
  definitions.start();
  const router = new Router(options.catalog);
  const handler = new ResourceHandler(context, options);
  const authorize: ApiServer['authorize'] = (user, request) => {
    options.authorize?.(user, attributesOf(router.parse(request.path), request));
  };
  const refusal =
    ({ method, path }: ApiRequest) =>
    (error: unknown) =>
      errorResponse(error, (unexpected) =>
        options.log.error('request failed', {
          method,
          path,
          error: (unexpected as Error)?.stack ?? String(unexpected),
        }),
      );
  const serve = async (request: ApiRequest): Promise<ApiResponse> => {
    const target = router.parse(request.path);
    options.authorize?.(request.user, attributesOf(target, request));
    if (target) return deprecated(target, await handler.handle(request, target).catch(refusal(request)));
    for (const path of options.paths ?? []) {
      const response = await path(request);
      if (response) return response;
    }
    return serverPath(request) ?? (await aliveIsHealthy(request)) ?? discoveryPath(options, request);
  };
  const answer = async (request: ApiRequest): Promise<ApiResponse> =>
    indented(request, await serve(request).catch(refusal(request)));
  return {
    handle: filtered(options.filters ?? [], router, answer),
    locate(path) {
      const target = router.parse(path);
      return target && { target, object: handler.find(target) };
    },
    authorize,
    admitConnection: (request) => admitConnection(context, router.parse(request.path), request),
  };
}

/** A path that can not be parsed is for the handler to refuse: filters see it as no resource. */
function filtered(filters: readonly Filter[], router: Router, handle: ApiServer['handle']): ApiServer['handle'] {
  if (filters.length === 0) return handle;
  const targetOf = (path: string) => {
    try {
      return router.parse(path);
    } catch {
      return undefined;
    }
  };
  return (request) => {
    const target = targetOf(request.path);
    const info = { target, attributes: attributesOf(target, request) };
    const chain = filters.reduceRight<ApiServer['handle']>(
      (next, filter) => (passed) => filter(passed, info, next),
      handle,
    );
    return chain(request);
  };
}

/** The answer with a warning when the version that was asked for is on its way out (RFC 7234, code 299). */
function deprecated({ resource: { deprecation } }: Target, response: ApiResponse): ApiResponse {
  if (deprecation === undefined) return response;
  const texts = [
    `299 - ${JSON.stringify(deprecation)}`,
    ...(response.headers['warning'] ? [response.headers['warning']] : []),
  ];
  return { ...response, headers: { ...response.headers, warning: texts.join(', ') } };
}

const VERB_OF_METHOD: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** The request as authorization rules name it. */
export function attributesOf(
  target: Target | undefined,
  request: Pick<ApiRequest, 'method' | 'path' | 'query'>,
): Attributes {
  if (!target) return { verb: request.method.toLowerCase(), path: request.path };
  const { resource, namespace, name, subresource } = target;
  const verb = verbOf(target, request);
  const at = { verb, group: resource.group, resource: resource.plural, subresource, namespace, name };
  const fieldSelector = name === '' ? request.query.get('fieldSelector') : null;
  if (!fieldSelector) return at;
  // A list or watch of one object by its name is about that object.
  return { ...at, name: /^metadata\.name==?([^,]+)$/.exec(fieldSelector)?.[1] ?? '', fieldSelector };
}

function verbOf(target: Target, { method, query }: Pick<ApiRequest, 'method' | 'query'>): string {
  if (method === 'DELETE' && target.name === '') return 'deletecollection';
  if (VERB_OF_METHOD[method]) return VERB_OF_METHOD[method];
  if (target.name !== '') return 'get';
  return isWatch(query) ? 'watch' : 'list';
}

function discoveryPath({ catalog, subresources = [] }: ApiServerOptions, request: ApiRequest): ApiResponse {
  const serves: Serves = (group, plural, name) =>
    subresources.some((other) => other.group === group && other.plural === plural && other.subresource === name);
  const found = request.method === 'GET' ? discover(discovered(catalog.rows, serves), request) : undefined;
  if (found) return found;
  throw new ApiError('NotFound', 'the server could not find the requested resource');
}

/** For a server that nobody gave checks of its own. */
const aliveIsHealthy = createHealth(['ping', 'log', 'etcd'].map((name) => ({ name, healthy: () => true })));

const PATHS = ['/api', '/apis', '/healthz', '/livez', '/metrics', '/openapi/v2', '/openapi/v3', '/readyz', '/version'];

function serverPath(request: ApiRequest): ApiResponse | undefined {
  const path = request.path.replace(/\/$/, '');
  if (path === '/version') return json(200, SERVER_VERSION);
  return path === '' ? json(200, { paths: PATHS }) : undefined;
}
