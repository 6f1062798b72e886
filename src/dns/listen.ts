import type { Clock } from '../lib/clock.ts';
import type { DnsMetrics } from './metrics.ts';
import type { Responder } from './responder.ts';

export interface ListenAddress {
  readonly address: string;
  /** 0: any free port, the same for UDP and TCP. */
  readonly port: number;
}

export interface ServeOptions {
  readonly listen: ListenAddress;
  readonly responder: Responder;
  readonly metrics: DnsMetrics;
  readonly clock: Clock;
  readonly limits: DnsLimits;
}

export interface DnsLimits {
  /** Connections beyond these are closed at once. */
  readonly tcpConnections: number;
  /** A connection without a whole query for so long is closed (RFC 7766, 6.2.3). */
  readonly tcpIdleMs: number;
  /** Queries of one connection that may wait for an upstream. */
  readonly tcpPending: number;
  /** Queries that may wait for upstreams in all; others fail at once, and cluster names are answered as ever. */
  readonly upstreamPending: number;
}
