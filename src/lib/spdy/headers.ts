import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import dictionaryData from './dictionary.data.json' with { type: 'json' };

/** Names in lower case. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** Longest header block once inflated; kubectl's are under 200 octets. */
const MAX_BLOCK_BYTES = 64 * 1024;
const DICTIONARY = Buffer.from(dictionaryData.base64, 'base64');
const OPTIONS = { dictionary: DICTIONARY, flush: constants.Z_SYNC_FLUSH };

/** Header blocks of one direction share one zlib stream (SPDY/3.1, section 2.6.10.1): feed them in order, one at a time. */
export class HeaderReader {
  readonly #inflate = silenced(createInflate(OPTIONS));

  /** Rejects when the block is damaged or grows beyond the limit. */
  async read(block: Buffer): Promise<SpdyHeaders> {
    return parseBlock(await transform(this.#inflate, block));
  }

  close(): void {
    this.#inflate.destroy();
  }
}

export class HeaderWriter {
  readonly #deflate = silenced(createDeflate(OPTIONS));

  write(headers: SpdyHeaders): Promise<Buffer> {
    return transform(this.#deflate, formatBlock(headers));
  }

  close(): void {
    this.#deflate.destroy();
  }
}

/** The callback of a write reports its error first; the event that follows would have no listener any more. */
function silenced<T extends Inflate | Deflate>(stream: T): T {
  stream.on('error', () => {});
  return stream;
}

function transform(stream: Inflate | Deflate, input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (error?: Error | null) => {
      stream.off('data', onData);
      stream.off('error', finish);
      stream.off('close', finish);
      if (size > MAX_BLOCK_BYTES) reject(new Error(`SPDY header block larger than ${MAX_BLOCK_BYTES} bytes`));
      else if (error) reject(error);
      else resolve(Buffer.concat(chunks));
    };
    const onData = (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_BLOCK_BYTES) stream.destroy();
    };
    stream.on('data', onData);
    stream.on('error', finish);
    stream.on('close', finish);
    stream.write(input, finish);
  });
}

/** Number of pairs, then each name and value with its length before it; all lengths in four octets. */
function parseBlock(block: Buffer): SpdyHeaders {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  let at = 4;
  const text = () => {
    const end = at + 4 + block.readUInt32BE(at);
    if (end > block.length) throw new Error('SPDY header block is cut off');
    const value = block.toString('utf8', at + 4, end);
    at = end;
    return value;
  };
  for (let left = block.readUInt32BE(0); left > 0; left--) {
    const name = text().toLowerCase();
    headers[name] = text();
  }
  return headers;
}

function formatBlock(headers: SpdyHeaders): Buffer {
  const pairs = Object.entries(headers);
  return Buffer.concat([uint32(pairs.length), ...pairs.flat().flatMap((text) => sized(text))]);
}

function sized(text: string): Buffer[] {
  return [uint32(Buffer.byteLength(text)), Buffer.from(text)];
}

export function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}
