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

/** Where the frames of a stream go. */
export interface FrameSink {
  /** False: no more until the stream is told to resume. */
  write(frames: readonly Uint8Array[]): boolean;
  end(): void;
  /** The client lags too far behind: nothing more for it. */
  abort(): void;
}

/** A stream that many clients get much the same of: it may be pushed into a sink instead of being iterated. */
export interface FrameStream extends AsyncIterable<Uint8Array> {
  /** Begins to write; `close` when nobody listens any more. */
  attach(sink: FrameSink): { resume(): void; close(): void };
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream (watch, logs) is written as it comes, with back-pressure. */
  readonly body: Uint8Array | string | FrameStream | AsyncIterable<Uint8Array | string>;
}
