import { createServer, type Server } from 'node:http';
import { Counter, Gauge, Registry } from 'prom-client';
import type { Logger } from '../lib/log.ts';
import { RCODE } from './codes.ts';
import type { DnsMetrics } from './metrics.ts';

export interface ExporterOptions {
  metrics: DnsMetrics;
  listen: { readonly address: string; readonly port: number };
  log: Logger;
  signal: AbortSignal;
}

/** Where CoreDNS answers. */
export const DNS_METRICS_PORT = 9153;

const RCODE_NAMES = new Map(Object.entries(RCODE).map(([name, code]) => [String(code), name]));

/** Serves the counters in Prometheus' text format under CoreDNS' names, so that its dashboards work. */
export function serveDnsMetrics({ metrics, listen, log, signal }: ExporterOptions): Server {
  const registry = dnsRegistry(metrics);
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end();
    void registry.metrics().then((text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text));
  });
  server.on('error', (error) => log.warn('DNS metrics are not served', { error: error.message }));
  server.listen(listen.port, listen.address);
  signal.addEventListener('abort', () => server.close(), { once: true });
  return server;
}

/** Registers what is read from the counters whenever somebody asks. */
export function dnsRegistry(metrics: DnsMetrics): Registry {
  const registry = new Registry();
  const counter = (name: string, help: string, read: () => readonly Sample[], labelNames: string[] = []) => {
    new Counter({
      name: `coredns_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels = {}, value } of read()) this.inc(labels, value);
      },
    });
  };
  const transports = () =>
    (['udp', 'tcp'] as const).map((proto) => ({ labels: { proto }, value: metrics.queries[proto] }));
  counter('dns_requests_total', 'DNS requests by transport.', transports, ['proto']);
  counter('dns_responses_total', 'DNS responses by response code.', () => responses(metrics), ['rcode']);
  counter('forward_requests_total', 'Requests that were sent to upstreams.', () => [{ value: metrics.forwarded }]);
  counter('forward_failures_total', 'Requests that no upstream answered.', () => [{ value: metrics.forwardFailures }]);
  counter('cache_hits_total', 'Answers from the cache.', () => [{ value: metrics.cacheHits }]);
  counter('cache_misses_total', 'Requests that were not in the cache.', () => [{ value: metrics.cacheMisses }]);
  counter('cache_served_stale_total', 'Answers that had outlived their time.', () => [{ value: metrics.cacheStale }]);
  new Gauge({
    name: 'coredns_tcp_connections',
    help: 'TCP connections that are open.',
    registers: [registry],
    collect() {
      this.set(metrics.tcpConnections.open);
    },
  });
  return registry;
}

interface Sample {
  readonly labels?: Record<string, string>;
  readonly value: number;
}

function responses(metrics: DnsMetrics): Sample[] {
  return Object.entries(metrics.responses).map(([code, value]) => ({
    labels: { rcode: RCODE_NAMES.get(code) ?? code },
    value,
  }));
}
