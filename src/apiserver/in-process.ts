import type { ApiRequest, ApiResponse, UserInfo } from './request.ts';
import type { ApiServer } from './server.ts';

interface Exchange {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: AsyncIterable<Uint8Array>;
}

/** Requests from the server's own process: the same handler without a socket. Fits `client`'s Transport. */
export function inProcessTransport(server: ApiServer, user: UserInfo): (exchange: Exchange) => Promise<Answer> {
  return async ({ method, path, headers = {}, body = '', signal }) => {
    const url = new URL(path, 'https://in-process');
    const request: ApiRequest = {
      method,
      path: url.pathname,
      query: url.searchParams,
      headers,
      user,
      body: () => Promise.resolve(Buffer.from(body)),
      signal: signal ?? new AbortController().signal,
    };
    const response = await server.handle(request);
    return { status: response.status, headers: { ...response.headers }, body: chunks(response.body) };
  };
}

async function* chunks(body: ApiResponse['body']): AsyncGenerator<Uint8Array> {
  if (typeof body === 'string' || body instanceof Uint8Array) yield toBytes(body);
  else for await (const chunk of body) yield toBytes(chunk);
}

function toBytes(chunk: string | Uint8Array): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}
