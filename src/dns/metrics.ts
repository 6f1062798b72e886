/** Counters since the start. */
export interface DnsMetrics {
  readonly queries: { udp: number; tcp: number };
  /** By response code. */
  readonly responses: Record<number, number>;
  /** Responses with TC set. */
  truncated: number;
  /** Messages without an answer: responses, and what is shorter than a header. */
  dropped: number;
  forwarded: number;
  /** Forwarded queries that no upstream answered. */
  forwardFailures: number;
  cacheHits: number;
  cacheMisses: number;
  /** Answers that were used after their time because no upstream answered. */
  cacheStale: number;
  tcpConnections: { open: number; accepted: number; refused: number };
}

export function createDnsMetrics(): DnsMetrics {
  return {
    queries: { udp: 0, tcp: 0 },
    responses: {},
    truncated: 0,
    dropped: 0,
    forwarded: 0,
    forwardFailures: 0,
    cacheHits: 0,
    cacheMisses: 0,
    cacheStale: 0,
    tcpConnections: { open: 0, accepted: 0, refused: 0 },
  };
}
