/** One HTTP exchange with an API server, free of how it travels. */
export interface TransportRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with query. */
  path: string;
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}

export interface TransportResponse {
  status: number;
  headers: Record<string, string>;
  /** The body in chunks as they arrive; must be read to its end or aborted. */
  body: AsyncIterable<Uint8Array>;
}

/** Over HTTPS (`httpsTransport`) or straight into a server in the same process. */
export type Transport = (request: TransportRequest) => Promise<TransportResponse>;
