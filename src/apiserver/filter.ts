import type { Attributes } from './options.ts';
import type { ApiRequest, ApiResponse, FrameStream } from './request.ts';
import type { Target } from './route.ts';

/** What a path and method come to, worked out once for all filters. */
export interface RequestInfo {
  readonly attributes: Attributes;
  /** Undefined for paths that name no resource. */
  readonly target: Target | undefined;
}

/**
 * Stands before the server and sees each request with its answer: metrics, audit, limits. Never rejects, as `next` never
 * does.
 */
export type Filter = (
  request: ApiRequest,
  info: RequestInfo,
  next: (request: ApiRequest) => Promise<ApiResponse>,
) => Promise<ApiResponse>;

const STREAMING_SUBRESOURCES = ['attach', 'exec', 'log', 'portforward', 'proxy'];

/** Requests that last as long as their client likes: they count in no limit and no latency. */
export function isLongRunning({ attributes }: RequestInfo): boolean {
  if (attributes.verb === 'watch') return true;
  return 'resource' in attributes && STREAMING_SUBRESOURCES.includes(attributes.subresource);
}

export interface SentOptions {
  /** Once: the last of an answer has gone out, or its client has gone. */
  readonly done: () => void;
  readonly onChunk?: (chunk: Uint8Array | string) => void;
  /** Aborts when the client goes. */
  readonly signal: AbortSignal;
}

/** The same answer, with its sending observed. */
export function whenSent(response: ApiResponse, { done, onChunk, signal }: SentOptions): ApiResponse {
  const { body } = response;
  let over = false;
  const finish = () => {
    if (over) return;
    over = true;
    signal.removeEventListener('abort', finish);
    done();
  };
  if (typeof body === 'string' || body instanceof Uint8Array) {
    onChunk?.(body);
    finish();
    return response;
  }
  signal.addEventListener('abort', finish, { once: true });
  const seen = 'attach' in body ? observedStream(body, finish, onChunk) : observed(body, finish, onChunk);
  return { ...response, body: seen };
}

/** A stream that may be pushed stays one. */
function observedStream(
  body: FrameStream,
  done: () => void,
  onChunk: (chunk: Uint8Array | string) => void = () => {},
): FrameStream {
  return {
    [Symbol.asyncIterator]: () => observed(body, done, onChunk) as AsyncGenerator<Uint8Array>,
    attach: (sink) => {
      const write = (frames: readonly Uint8Array[]) => {
        for (const frame of frames) onChunk(frame);
        return sink.write(frames);
      };
      const stream = body.attach({ ...sink, write });
      const close = () => {
        done();
        stream.close();
      };
      return { resume: stream.resume, close };
    },
  };
}

async function* observed(
  body: AsyncIterable<Uint8Array | string>,
  done: () => void,
  onChunk?: (chunk: Uint8Array | string) => void,
): AsyncGenerator<Uint8Array | string> {
  try {
    for await (const chunk of body) {
      onChunk?.(chunk);
      yield chunk;
    }
  } finally {
    done();
  }
}
