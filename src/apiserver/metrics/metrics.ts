import { Counter, Gauge, Registry } from 'prom-client';
import type { Clock } from '../../lib/clock.ts';
import type { Store } from '../../store/store.ts';
import type { Catalog } from '../catalog.ts';
import { SERVER_VERSION } from '../discovery.ts';
import { type Filter, isLongRunning, type RequestInfo, whenSent } from '../filter.ts';
import { keyPrefix } from '../objects.ts';
import type { PathHandler } from '../options.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import type { Target } from '../route.ts';
import { type ProcessReader, processMetrics } from './process.ts';
import { type RequestLabels, RequestStats } from './request-stats.ts';
import { countEvents } from './watch-events.ts';

export interface MetricsOptions {
  store: Store;
  catalog: Catalog;
  clock: Clock;
  process: ProcessReader;
}

/** Names, labels and buckets are kube-apiserver's, so that its dashboards and alerts work. */
export interface ApiServerMetrics {
  readonly filter: Filter;
  /** `/metrics`, in Prometheus' text format. */
  readonly path: PathHandler;
  /** A request was turned away for want of room. */
  dropped(kind: RequestKind): void;
  /** How many requests are worked on. */
  inFlight(kind: RequestKind, count: number): void;
}

export type RequestKind = 'readOnly' | 'mutating';

const REQUEST = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'] as const;

export function createMetrics(options: MetricsOptions): ApiServerMetrics {
  const registry = new Registry();
  const stats = new RequestStats(registry);
  const requests = requestMetrics(registry);
  storageMetrics(registry, options);
  processMetrics(registry, options.process);
  const build = {
    name: 'kubernetes_build_info',
    help: 'Version of the server',
    labelNames: ['git_version', 'platform'],
  };
  const { gitVersion: git_version, platform } = SERVER_VERSION;
  new Gauge({ ...build, registers: [registry] }).set({ git_version, platform }, 1);
  return {
    filter: async (request, info, next) => {
      const labels = () => labelsOf(request, info);
      const end = isLongRunning(info) ? requests.begin(labels()) : undefined;
      const start = options.clock.now();
      const response = await next(request);
      stats.add(keyOf(request, info), labels, {
        dryRun: request.query.get('dryRun') ? 'All' : '',
        code: response.status,
        ...(info.attributes.verb === 'watch' ? {} : { seconds: (options.clock.now() - start) / 1000 }),
        ...sizeOf(response),
      });
      if (!end) return response;
      const { verb } = info.attributes;
      const { group = '', version = '', kind: name = '' } = info.target?.resource ?? {};
      const kind = { group, version, kind: name };
      const onChunk = (chunk: Uint8Array | string) => {
        if (verb === 'watch' && response.status === 200) requests.events.inc(kind, countEvents(chunk));
      };
      return whenSent(response, { done: end, onChunk, signal: request.signal });
    },
    path: async ({ method, path }) => {
      if (method !== 'GET' || path !== '/metrics') return undefined;
      return { status: 200, headers: { 'content-type': registry.contentType }, body: await registry.metrics() };
    },
    dropped: (kind) => requests.dropped.inc({ request_kind: kind }),
    inFlight: (kind, count) => {
      requests.inFlight[kind] = count;
    },
  };
}

function requestMetrics(registry: Registry) {
  const registers = [registry];
  const named = (name: string, help: string) => ({ name: `apiserver_${name}`, help, registers });
  const longRunning = new Gauge({
    ...named('longrunning_requests', 'Requests that last as long as their client likes'),
    labelNames: [...REQUEST],
  });
  const kind = { labelNames: ['request_kind'] };
  const inFlight: Record<RequestKind, number> = { readOnly: 0, mutating: 0 };
  const current: Gauge = new Gauge({
    ...named('current_inflight_requests', 'Requests that are worked on'),
    ...kind,
    collect() {
      for (const [request_kind, count] of Object.entries(inFlight)) current.set({ request_kind }, count);
    },
  });
  const dropped = new Counter({ ...named('dropped_requests_total', 'Requests turned away with 429'), ...kind });
  const events = new Counter({
    ...named('watch_events_total', 'Events sent to watchers'),
    labelNames: ['group', 'version', 'kind'],
  });
  return {
    inFlight,
    dropped,
    events,
    begin(labels: RequestLabels): () => void {
      longRunning.inc({ ...labels });
      return () => longRunning.dec({ ...labels });
    },
  };
}

function sizeOf({ body }: ApiResponse): { bytes?: number } {
  return typeof body === 'string' || body instanceof Uint8Array ? { bytes: Buffer.byteLength(body) } : {};
}

const VERBS: Readonly<Record<string, string>> = {
  create: 'POST',
  update: 'PUT',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
};
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

const SUBRESOURCES = new Set(
  'approval attach binding ephemeralcontainers eviction exec finalize log portforward proxy resize scale status token'.split(
    ' ',
  ),
);

function subresourceOf({ subresource }: Target): string {
  return subresource === '' || SUBRESOURCES.has(subresource) ? subresource : 'other';
}

/** The same for requests with the same labels. */
function keyOf(request: ApiRequest, { target, attributes }: RequestInfo): string {
  const method = METHODS.includes(request.method) ? request.method : 'other';
  if (!target) return method;
  const { resource, namespace, name } = target;
  const scope = name !== '' ? 'r' : namespace !== '' ? 'n' : 'c';
  const apply = isApply(request) ? '+' : '';
  const what = `${resource.group}/${resource.version}/${resource.plural}/${subresourceOf(target)}`;
  return `${method}${apply} ${attributes.verb} ${what} ${scope}`;
}

function isApply({ method, headers }: ApiRequest): boolean {
  return method === 'PATCH' && (headers['content-type']?.includes('apply-patch') ?? false);
}

/** Bounded: what clients make up (paths, methods, subresources) is no label. */
function labelsOf(request: ApiRequest, { target, attributes }: RequestInfo): RequestLabels {
  const component = 'apiserver';
  if (!target || 'path' in attributes) {
    const verb = METHODS.includes(request.method) ? request.method : 'other';
    return { verb, group: '', version: '', resource: '', subresource: '', scope: '', component };
  }
  const { resource, namespace, name } = target;
  return {
    verb: isApply(request) ? 'APPLY' : (VERBS[attributes.verb] ?? attributes.verb.toUpperCase()),
    group: resource.group,
    version: resource.version,
    resource: resource.plural,
    subresource: subresourceOf(target),
    scope: name !== '' ? 'resource' : namespace !== '' ? 'namespace' : 'cluster',
    component,
  };
}

/** Counted when somebody asks. */
function storageMetrics(registry: Registry, { store, catalog }: MetricsOptions): void {
  const objects = new Gauge({
    name: 'apiserver_storage_objects',
    help: 'Stored objects, by kind',
    labelNames: ['resource'],
    registers: [registry],
    collect() {
      for (const resource of catalog.rows) {
        const { group, plural } = resource;
        objects.set({ resource: group === '' ? plural : `${plural}.${group}` }, store.count(keyPrefix(resource)));
      }
    },
  });
  const revision: Gauge = new Gauge({
    name: 'sampan_store_revision',
    help: 'Revision of the newest durable write',
    registers: [registry],
    collect() {
      revision.set(store.revision);
    },
  });
}
