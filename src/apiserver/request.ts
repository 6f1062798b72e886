/** Who asks (`user.Info` of Kubernetes' authentication). */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** One request, free of HTTP version and transport; authentication has already happened. */
export interface ApiRequest {
  readonly method: string;
  /** Decoded only per segment by the router: as it stood in the request line, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly user: UserInfo;
  /** Address of the client; left out for requests from inside the process. */
  readonly remoteAddress?: string;
  /** The whole body; rejects with ApiError RequestEntityTooLarge beyond the limit. */
  body(): Promise<Buffer>;
  /** Aborts when the client goes away or the server stops. */
  readonly signal: AbortSignal;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream (watch, logs) is written as it comes, with back-pressure. */
  readonly body: Uint8Array | string | AsyncIterable<Uint8Array | string>;
}
