import type { Informers } from '../client/informer.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { followConfiguration } from './configuration.ts';
import type { DnsLimits, ListenAddress } from './listen.ts';
import type { Query } from './message.ts';
import { createDnsMetrics, type DnsMetrics } from './metrics.ts';
import { keyText } from './name.ts';
import { type Proto, Responder } from './responder.ts';
import { type Listener, serve } from './server.ts';
import { type DnsSettings, NO_SETTINGS } from './settings.ts';
import { trackServices } from './tracker.ts';
import { Upstreams } from './upstreams.ts';
import { Zone } from './zone.ts';

export interface DnsOptions {
  readonly informers: Informers;
  /** Each address is opened on UDP and TCP. */
  readonly listen: readonly ListenAddress[];
  /** @default 'cluster.local' */
  readonly clusterDomain?: string;
  /**
   * Networks whose reverse names are the cluster's.
   * @default ['10.96.0.0/16', '10.244.0.0/16']
   */
  readonly reverseCidrs?: readonly string[];
  /**
   * Servers for all other names, `address` or `address:port`. Without any, such names are refused and nothing is sent.
   * @default []
   */
  readonly upstreams?: readonly string[];
  /** @default 2000 */
  readonly upstreamTimeoutMs?: number;
  /**
   * How long clients may keep answers, negative ones included.
   * @default 5
   */
  readonly ttlSeconds?: number;
  readonly limits?: Partial<DnsLimits>;
  readonly clock: Clock;
  /** In [0, 1): order of records, ids towards upstreams. */
  readonly random: () => number;
  readonly log: Logger;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

export interface Dns {
  /** What was opened, with the ports that were chosen. */
  readonly addresses: readonly ListenAddress[];
  readonly metrics: DnsMetrics;
  /** False until the caches have synced: cluster names are answered SERVFAIL so far. */
  readonly ready: boolean;
}

const LIMITS: DnsLimits = { tcpConnections: 256, tcpIdleMs: 10_000, tcpPending: 64, upstreamPending: 1024 };

/**
 * Serves the cluster's names (Kubernetes DNS-Based Service Discovery 1.1) from what the caches know. Rejects with the
 * system's error when an address cannot be opened; nothing stays open then.
 */
export async function startDns(options: DnsOptions): Promise<Dns> {
  const { informers, clock, log, signal } = options;
  const metrics = createDnsMetrics();
  const zone = new Zone({
    domain: options.clusterDomain ?? 'cluster.local',
    reverseCidrs: options.reverseCidrs ?? ['10.96.0.0/16', '10.244.0.0/16'],
    ttlSeconds: options.ttlSeconds ?? 5,
  });
  const limits = { ...LIMITS, ...options.limits };
  const upstreams = createUpstreams(options, limits, metrics);
  const unfollow = followConfiguration({ informers, log, ...configurationOf(options, upstreams) });
  const tracker = trackServices({ zone, informers, clock });
  const { random } = options;
  const ready = () => tracker.ready;
  const responder = new Responder({
    zone,
    ready,
    random,
    metrics,
    forwarderFor: (name) => upstreams.forwarderFor(name),
    hosts: () => upstreams.settings.hosts,
    onResponse: (query, proto, response) => {
      if (upstreams.settings.log) log.info('DNS query', logFields(query, proto, response));
    },
  });
  const open = (listen: ListenAddress) => serve({ listen, responder, metrics, clock, limits });
  const listeners = await openAll(options.listen, open).catch((error) => {
    tracker.stop();
    unfollow();
    throw error;
  });
  const stop = () => {
    tracker.stop();
    unfollow();
    for (const listener of listeners) listener.close();
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const addresses = listeners.map(({ address, port }) => ({ address, port }));
  log.info('DNS is listening', { addresses: addresses.map(({ address, port }) => `${address}:${port}`) });
  return {
    addresses,
    metrics,
    get ready() {
      return tracker.ready;
    },
  };
}

function createUpstreams(options: DnsOptions, limits: DnsLimits, metrics: DnsMetrics): Upstreams {
  const { upstreamTimeoutMs: timeoutMs = 2000, random, clock, signal } = options;
  return new Upstreams({ timeoutMs, pendingMax: limits.upstreamPending, random, clock, metrics, signal });
}

function configurationOf({ upstreams = [] }: DnsOptions, configured: Upstreams) {
  const fallback = { ...NO_SETTINGS, upstreams };
  return { fallback, configure: (settings: DnsSettings) => configured.configure(settings) };
}

function logFields({ name, type, class: kind }: Query, proto: Proto, response: Buffer) {
  return { name: keyText(name), type, class: kind, proto, rcode: response[3]! & 15, octets: response.length };
}

/** All or none. */
async function openAll(
  addresses: readonly ListenAddress[],
  open: (address: ListenAddress) => Promise<Listener>,
): Promise<Listener[]> {
  const results = await Promise.allSettled(addresses.map(open));
  const listeners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = results.find((result) => result.status === 'rejected');
  if (!failed) return listeners;
  for (const listener of listeners) listener.close();
  throw failed.reason;
}
