import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../../lib/clock.ts';
import type { Store } from '../../store/store.ts';
import type { Catalog } from '../catalog.ts';
import { SERVER_VERSION } from '../discovery.ts';
import { type Filter, isLongRunning, type RequestInfo, whenSent } from '../filter.ts';
import { keyPrefix } from '../objects.ts';
import type { PathHandler } from '../options.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { type ProcessReader, processMetrics } from './process.ts';
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
const DURATION_SECONDS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
const SIZE_BYTES = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

export function createMetrics(options: MetricsOptions): ApiServerMetrics {
  const registry = new Registry();
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
      const labels = labelsOf(request, info);
      const end = isLongRunning(info) ? requests.begin(labels) : undefined;
      const start = options.clock.now();
      const response = await next(request);
      requests.answered({ request, labels, response, seconds: (options.clock.now() - start) / 1000 });
      if (!end) return response;
      const { verb } = info.attributes;
      const kind = { group: labels.group, version: labels.version, kind: info.target?.resource.kind ?? '' };
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
    inFlight: (kind, count) => requests.current.set({ request_kind: kind }, count),
  };
}

type Labels = Record<(typeof REQUEST)[number], string>;

interface Answered {
  readonly request: ApiRequest;
  readonly labels: Labels;
  readonly response: ApiResponse;
  readonly seconds: number;
}

function requestMetrics(registry: Registry) {
  const registers = [registry];
  const named = (name: string, help: string) => ({ name: `apiserver_${name}`, help, registers });
  const total = new Counter({
    ...named('request_total', 'Requests, by answer'),
    labelNames: [...REQUEST, 'dry_run', 'code'],
  });
  const duration = new Histogram({
    ...named('request_duration_seconds', 'Time until an answer'),
    labelNames: [...REQUEST, 'dry_run'],
    buckets: DURATION_SECONDS,
  });
  const sizes = new Histogram({
    ...named('response_sizes', 'Bytes of answers'),
    labelNames: [...REQUEST],
    buckets: SIZE_BYTES,
  });
  const longRunning = new Gauge({
    ...named('longrunning_requests', 'Requests that last as long as their client likes'),
    labelNames: [...REQUEST],
  });
  const kind = { labelNames: ['request_kind'] };
  const current = new Gauge({ ...named('current_inflight_requests', 'Requests that are worked on'), ...kind });
  const dropped = new Counter({ ...named('dropped_requests_total', 'Requests turned away with 429'), ...kind });
  const events = new Counter({
    ...named('watch_events_total', 'Events sent to watchers'),
    labelNames: ['group', 'version', 'kind'],
  });
  return {
    current,
    dropped,
    events,
    begin(labels: Labels): () => void {
      longRunning.inc(labels);
      return () => longRunning.dec(labels);
    },
    answered({ request, labels, response, seconds }: Answered): void {
      const dry_run = request.query.get('dryRun') ?? '';
      total.inc({ ...labels, dry_run, code: String(response.status) });
      if (labels.verb === 'WATCH') return;
      duration.observe({ ...labels, dry_run }, seconds);
      const { body } = response;
      if (typeof body === 'string' || body instanceof Uint8Array) sizes.observe(labels, Buffer.byteLength(body));
    },
  };
}

const VERBS: Readonly<Record<string, string>> = {
  create: 'POST',
  update: 'PUT',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
};
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Bounded: what clients make up (paths, methods) is no label. */
function labelsOf(request: ApiRequest, { target, attributes }: RequestInfo): Labels {
  const component = 'apiserver';
  if (!target || 'path' in attributes) {
    const verb = METHODS.includes(request.method) ? request.method : 'other';
    return { verb, group: '', version: '', resource: '', subresource: '', scope: '', component };
  }
  const { resource, namespace, name, subresource } = target;
  const applied = request.headers['content-type']?.includes('apply-patch') && attributes.verb === 'patch';
  return {
    verb: applied ? 'APPLY' : (VERBS[attributes.verb] ?? attributes.verb.toUpperCase()),
    group: resource.group,
    version: resource.version,
    resource: resource.plural,
    subresource: /^[a-z]{0,24}$/.test(subresource) ? subresource : 'other',
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
