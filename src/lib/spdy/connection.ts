import { Duplex } from 'node:stream';
import {
  CANCEL,
  controlFrame,
  dataFrame,
  FLAG_FIN,
  type Frame,
  GOAWAY,
  HEADERS,
  INVALID_STREAM,
  PING,
  REFUSED_STREAM,
  RST_STREAM,
  readFrames,
  resetFrame,
  SYN_REPLY,
  SYN_STREAM,
} from './frames.ts';
import { HeaderReader, HeaderWriter, type SpdyHeaders, uint32 } from './headers.ts';

/** Streams of one connection at a time; a port-forward has two for each forwarded connection. */
const MAX_STREAMS = 512;

/**
 * A stream that the client opened. Both directions end on their own. When nobody reads, the connection stops reading:
 * Kubernetes' clients know no flow control by window, so none is done here either.
 */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #transport: Duplex;
  #resume: (() => void) | undefined;
  #gone = false;

  constructor(options: { id: number; headers: SpdyHeaders; transport: Duplex }) {
    super({ allowHalfOpen: true });
    this.id = options.id;
    this.headers = options.headers;
    this.#transport = options.transport;
    // Every failure ends in `close`, which is what users of a stream listen to.
    this.on('error', () => {});
  }

  /** Hands on what has arrived; resolves when there is room for more. */
  async deliver(data: Buffer, isLast: boolean): Promise<void> {
    if (this.readableEnded || this.destroyed) return;
    const room = data.length === 0 || this.push(data);
    if (isLast) this.push(null);
    else if (!room) await new Promise<void>((resolve) => (this.#resume = resolve));
  }

  /** The other side is gone: what has arrived can still be read, what is written from now on is dropped. */
  hangUp(): void {
    this.#gone = true;
    if (!this.readableEnded && !this.destroyed) this.push(null);
  }

  override _read(): void {
    this.#resume?.();
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    if (this.#gone) callback();
    else this.#transport.write(dataFrame(this.id, chunk), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#gone) callback();
    else this.#transport.write(dataFrame(this.id, Buffer.alloc(0), FLAG_FIN), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#resume?.();
    const finished = this.writableFinished && this.readableEnded;
    if (!finished && !this.#gone && this.#transport.writable) this.#transport.write(resetFrame(this.id, CANCEL));
    callback(error);
  }
}

export interface SpdyOptions {
  /** The bare connection, or a tunnel. */
  transport: Duplex;
  onStream: (stream: SpdyStream) => void;
  /** Once, when the connection is over: all streams are destroyed. */
  onClose: (error?: Error) => void;
}

/** The server side of SPDY/3.1, as much of it as Kubernetes' clients speak. */
export class SpdyConnection {
  readonly #options: SpdyOptions;
  readonly #reader = new HeaderReader();
  readonly #writer = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  #lastId = 0;

  constructor(options: SpdyOptions) {
    this.#options = options;
    const { transport } = options;
    transport.on('error', () => transport.destroy());
    // A reader that waits for room would not notice the end by itself.
    transport.once('close', () => this.#destroyStreams());
    void this.#serve();
  }

  /** Says goodbye and closes, after what was written before. */
  end(): void {
    const { transport } = this.#options;
    if (transport.writable) transport.end(controlFrame(GOAWAY, Buffer.concat([uint32(this.#lastId), uint32(0)])));
  }

  async #serve(): Promise<void> {
    const { transport, onClose } = this.#options;
    let failure: Error | undefined;
    try {
      for await (const frame of readFrames(transport)) await this.#handle(frame);
    } catch (error) {
      failure = error as Error;
    }
    this.#destroyStreams();
    this.#reader.close();
    this.#writer.close();
    transport.destroy();
    onClose(failure);
  }

  #destroyStreams(): void {
    for (const stream of this.#streams.values()) stream.destroy();
  }

  async #handle(frame: Frame): Promise<void> {
    if (frame.data) return this.#data(frame.streamId, frame);
    const { transport } = this.#options;
    switch (frame.type) {
      case SYN_STREAM:
        return this.#open(frame.payload, frame.flags);
      case HEADERS:
        // Only read to keep the two ends of the compression in step.
        await this.#reader.read(frame.payload.subarray(4));
        return;
      case RST_STREAM:
        this.#streams.get(streamIdOf(frame.payload))?.destroy();
        return;
      case PING:
        // Odd identifiers are the client's own pings.
        if (frame.payload.readUInt32BE(0) % 2 === 1) transport.write(controlFrame(PING, frame.payload.subarray(0, 4)));
        return;
      default:
        return;
    }
  }

  /** Stream, associated stream, priority and slot (10 octets), then headers. */
  async #open(payload: Buffer, flags: number): Promise<void> {
    const id = streamIdOf(payload);
    const headers = await this.#reader.read(payload.subarray(10));
    if (id % 2 === 0 || id <= this.#lastId) throw new Error(`SPDY stream ${id} out of order`);
    this.#lastId = id;
    const { transport, onStream } = this.#options;
    if (this.#streams.size >= MAX_STREAMS) {
      transport.write(resetFrame(id, REFUSED_STREAM));
      return;
    }
    const stream = new SpdyStream({ id, headers, transport });
    this.#streams.set(id, stream);
    stream.once('close', () => this.#streams.delete(id));
    const reply = await this.#writer.write({});
    transport.write(controlFrame(SYN_REPLY, Buffer.concat([uint32(id), reply])));
    onStream(stream);
    if (flags & FLAG_FIN) await stream.deliver(Buffer.alloc(0), true);
  }

  async #data(id: number, { payload, flags }: Frame): Promise<void> {
    const stream = this.#streams.get(id);
    if (stream) await stream.deliver(payload, (flags & FLAG_FIN) !== 0);
    else if (id > this.#lastId) this.#options.transport.write(resetFrame(id, INVALID_STREAM));
  }
}

function streamIdOf(payload: Buffer): number {
  return payload.readUInt32BE(0) & 0x7fffffff;
}
