import type { TestServer } from './server.ts';

export interface WatchAsked {
  path: string;
  headers?: Record<string, string>;
  /** Ends the watch when this many events have come. */
  events: number;
}

/** The events of a watch, cut apart; the returned function resolves with them once they are there. */
export async function startWatch(server: TestServer, asked: WatchAsked): Promise<() => Promise<Buffer[]>> {
  const abort = new AbortController();
  const { path, headers = {}, events } = asked;
  const answer = await server.transport({ method: 'GET', path, headers, signal: abort.signal });
  const isBinary = /protobuf/.test(answer.headers['content-type'] ?? '');
  const collect = async () => {
    let bytes = Buffer.alloc(0);
    for await (const chunk of answer.body) {
      bytes = Buffer.concat([bytes, chunk]);
      if (cut(bytes, isBinary).length >= events) abort.abort();
    }
    return cut(bytes, isBinary);
  };
  const collected = collect();
  return () => collected;
}

/** Lines of JSON, or protobuf frames without their length. */
function cut(bytes: Buffer, isBinary: boolean): Buffer[] {
  if (!isBinary) {
    const lines = bytes.toString().split('\n');
    return lines.slice(0, -1).map((line) => Buffer.from(line));
  }
  const frames: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return frames;
}
