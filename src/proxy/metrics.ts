import { Counter, exponentialBuckets, Gauge, Histogram, linearBuckets, Registry } from 'prom-client';
import type { Clock } from '../lib/clock.ts';
import type { ChangeKind, ProxyObserver, Sync } from './observe.ts';

/** Names, labels and buckets are kube-proxy's, so that its dashboards and alerts work; small buckets are added. */
export interface ProxyMetrics extends ProxyObserver {
  /** In Prometheus' text format. */
  render(): Promise<string>;
  readonly contentType: string;
  /** An answer to `/healthz` or `/livez` went out. */
  answered(path: 'healthz' | 'livez', code: number): void;
}

const PREFIX = 'kubeproxy_';
/** 0.1 ms to 1.6 s, and kube-proxy's own up to 16 s. */
const SYNC_SECONDS = [0.0001, 0.0002, 0.0005, ...exponentialBuckets(0.001, 2, 15)];
const PROGRAMMING_SECONDS = [
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  ...linearBuckets(1, 1, 59),
  60,
  120,
  180,
  240,
  300,
];

export function createProxyMetrics({ clock }: { clock: Clock }): ProxyMetrics {
  const registry = new Registry();
  const rounds = roundMetrics(registry);
  const changes = changeMetrics(registry);
  const health = healthMetrics(registry);
  const nowSeconds = () => clock.now() / 1000;
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    answered: (path, code) => health[path].inc({ code: String(code) }),
    queued(kind) {
      rounds.lastQueued.set(nowSeconds());
      changes[kind].total.inc();
      changes[kind].pending.inc();
    },
    synced({ full, durationMs, triggeredMs, report }) {
      const seconds = durationMs / 1000;
      rounds.all.observe(seconds);
      rounds[full ? 'full' : 'partial'].observe(seconds);
      rounds.last.set(nowSeconds());
      rounds.refused.set(report.refused?.length ?? 0);
      for (const began of triggeredMs) rounds.programming.observe(Math.max(0, clock.now() - began) / 1000);
      for (const { pending } of Object.values(changes)) pending.set(0);
    },
  } satisfies ProxyMetrics & { synced(sync: Sync): void };
}

function roundMetrics(registry: Registry) {
  const shared = { registers: [registry] };
  const sync = (name: string, help: string) =>
    new Histogram({ ...shared, name: `${PREFIX}${name}`, help, buckets: SYNC_SECONDS });
  const gauge = (name: string, help: string) => new Gauge({ ...shared, name: `${PREFIX}${name}`, help });
  return {
    all: sync('sync_proxy_rules_duration_seconds', 'Time to bring a round of changes into the kernel'),
    full: sync('sync_full_proxy_rules_duration_seconds', 'Time to bring all rules into the kernel'),
    partial: sync('sync_partial_proxy_rules_duration_seconds', 'Time to bring only what changed into the kernel'),
    programming: new Histogram({
      ...shared,
      name: `${PREFIX}network_programming_duration_seconds`,
      help: 'Time from a change of endpoints until the rules of this node carry it',
      buckets: PROGRAMMING_SECONDS,
    }),
    last: gauge('sync_proxy_rules_last_timestamp_seconds', 'When the last round ended'),
    lastQueued: gauge('sync_proxy_rules_last_queued_timestamp_seconds', 'When a change last came in'),
    refused: gauge('sync_proxy_rules_refused_services', 'Services whose rules the kernel refuses'),
  };
}

function changeMetrics(registry: Registry): Record<ChangeKind, { total: Counter; pending: Gauge }> {
  const of = (kind: ChangeKind, noun: string) => ({
    total: new Counter({
      registers: [registry],
      name: `${PREFIX}sync_proxy_rules_${kind}_changes_total`,
      help: `Changes of ${noun}`,
    }),
    pending: new Gauge({
      registers: [registry],
      name: `${PREFIX}sync_proxy_rules_${kind}_changes_pending`,
      help: `Changes of ${noun} that are not in the rules yet`,
    }),
  });
  return { service: of('service', 'Services'), endpoint: of('endpoint', 'EndpointSlices') };
}

function healthMetrics(registry: Registry) {
  const of = (path: string) =>
    new Counter({
      registers: [registry],
      name: `${PREFIX}proxy_${path}_total`,
      help: `Answers to /${path}`,
      labelNames: ['code'],
    });
  return { healthz: of('healthz'), livez: of('livez') };
}
