import type { Duplex } from 'node:stream';
import { uint32 } from './headers.ts';

/** A frame of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00 and its 3.1 supplement), not yet looked into. */
export type Frame =
  | { readonly data: true; readonly streamId: number; readonly flags: number; readonly payload: Buffer }
  | { readonly data: false; readonly type: number; readonly flags: number; readonly payload: Buffer };

export const SYN_STREAM = 1;
export const SYN_REPLY = 2;
export const RST_STREAM = 3;
export const PING = 6;
export const GOAWAY = 7;
export const HEADERS = 8;
export const FLAG_FIN = 1;

/** Status codes of RST_STREAM. */
export const INVALID_STREAM = 2;
export const REFUSED_STREAM = 3;
export const CANCEL = 5;

const VERSION = 3;
const HEADER_BYTES = 8;
/** kubectl writes 32 KiB at a time. */
const MAX_FRAME_BYTES = 1024 * 1024;

/** Frames as they arrive; what is not asked for is not read. Throws for other versions and for frames too long. */
export async function* readFrames(source: Duplex): AsyncGenerator<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = frameEnd(rest); end <= rest.length; end = frameEnd(rest)) {
      yield parseFrame(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  }
}

function frameEnd(buffer: Buffer): number {
  if (buffer.length < HEADER_BYTES) return Number.POSITIVE_INFINITY;
  const length = buffer.readUIntBE(5, 3);
  if (length > MAX_FRAME_BYTES) throw new Error(`SPDY frame of ${length} bytes, expected at most ${MAX_FRAME_BYTES}`);
  return HEADER_BYTES + length;
}

function parseFrame(frame: Buffer): Frame {
  const first = frame.readUInt32BE(0);
  const flags = frame[4]!;
  const payload = frame.subarray(HEADER_BYTES);
  if (first < 0x80000000) return { data: true, streamId: first, flags, payload };
  const version = (first >>> 16) & 0x7fff;
  if (version !== VERSION) throw new Error(`SPDY version ${version}, expected ${VERSION}`);
  return { data: false, type: first & 0xffff, flags, payload };
}

export function dataFrame(streamId: number, payload: Uint8Array, flags = 0): Buffer {
  return Buffer.concat([uint32(streamId), lengthAndFlags(payload.length, flags), payload]);
}

export function controlFrame(type: number, payload: Uint8Array, flags = 0): Buffer {
  const first = uint32(0x80000000 + VERSION * 0x10000 + type);
  return Buffer.concat([first, lengthAndFlags(payload.length, flags), payload]);
}

export function resetFrame(streamId: number, status: number): Buffer {
  return controlFrame(RST_STREAM, Buffer.concat([uint32(streamId), uint32(status)]));
}

function lengthAndFlags(length: number, flags: number): Buffer {
  return uint32(flags * 0x1000000 + length);
}
