import { readdirSync, readFileSync } from 'node:fs';
import { type AuditOptions, createAudit } from '../apiserver/audit/audit.ts';
import { type LineWriter, openLineFile } from '../apiserver/audit/file.ts';
import { metadataPolicy, parseAuditPolicy } from '../apiserver/audit/policy.ts';
import type { Catalog } from '../apiserver/catalog.ts';
import type { Filter } from '../apiserver/filter.ts';
import { type ApiServerMetrics, createMetrics } from '../apiserver/metrics/metrics.ts';
import type { ProcessReader } from '../apiserver/metrics/process.ts';
import { createLimiter } from '../apiserver/traffic/limiter.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Store } from '../store/store.ts';
import type { ServerConfig } from './config.ts';

export interface FiltersOptions {
  store: Store;
  catalog: Catalog;
  clock: Clock;
  log: Logger;
  decoders: NonNullable<AuditOptions['decoders']>;
}

/** As kube-apiserver's defaults. */
const READ_ONLY = 400;
const MUTATING = 200;
const QUEUE_LENGTH = 50;
const WAIT_MS = 15_000;

/** What stands before the API server: audit, then metrics, then limits. */
export function createFilters(config: ServerConfig, options: FiltersOptions) {
  const metrics = createMetrics({ ...options, process: realProcess });
  const auditFile = config.auditLogPath ? openLineFile(config.auditLogPath, options.log) : undefined;
  const filters = [
    ...(auditFile ? [audit(config, options, auditFile)] : []),
    metrics.filter,
    limiter(config, options, metrics),
  ];
  return { filters, metrics, close: async () => auditFile?.close() };
}

function audit(config: ServerConfig, options: FiltersOptions, file: LineWriter): Filter {
  const { auditPolicyFile } = config;
  const policy = auditPolicyFile ? parseAuditPolicy(readFileSync(auditPolicyFile, 'utf8')) : metadataPolicy;
  return createAudit({ ...options, policy, write: (line) => file.write(line) });
}

function limiter(config: ServerConfig, { clock }: FiltersOptions, metrics: ApiServerMetrics): Filter {
  return createLimiter({
    clock,
    readOnly: config.maxRequestsInflight ?? READ_ONLY,
    mutating: config.maxMutatingRequestsInflight ?? MUTATING,
    queueLength: QUEUE_LENGTH,
    waitMs: WAIT_MS,
    onDropped: metrics.dropped,
    onInFlight: metrics.inFlight,
  });
}

const realProcess: ProcessReader = {
  cpuMicroseconds() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  residentBytes: () => process.memoryUsage.rss(),
  heapBytes: () => process.memoryUsage().heapUsed,
  openFiles() {
    try {
      return readdirSync('/proc/self/fd').length;
    } catch {
      return undefined;
    }
  },
  startSeconds: Date.now() / 1000 - process.uptime(),
};
