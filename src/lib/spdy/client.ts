import type { Duplex } from 'node:stream';
import { SpdyStream } from './connection.ts';
import {
  controlFrame,
  FLAG_FIN,
  type Frame,
  HEADERS,
  PING,
  RST_STREAM,
  readFrames,
  SYN_REPLY,
  SYN_STREAM,
} from './frames.ts';
import { HeaderReader, HeaderWriter, type SpdyHeaders, uint32 } from './headers.ts';

export interface SpdyClientOptions {
  transport: Duplex;
  /** Once, when the connection is over: all streams are destroyed. */
  onClose: () => void;
}

/** The client side of SPDY/3.1, as much of it as container runtimes' streaming servers speak. */
export class SpdyClient {
  readonly #options: SpdyClientOptions;
  readonly #reader = new HeaderReader();
  readonly #writer = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #opened = new Map<number, () => void>();
  #nextId = 1;

  constructor(options: SpdyClientOptions) {
    this.#options = options;
    options.transport.on('error', () => options.transport.destroy());
    options.transport.once('close', () => this.#destroyStreams());
    void this.#serve();
  }

  /** Opens a stream; resolves when the server has accepted it. */
  async open(headers: SpdyHeaders): Promise<SpdyStream> {
    const id = this.#nextId;
    this.#nextId += 2;
    const { transport } = this.#options;
    const stream = new SpdyStream({ id, headers, transport });
    this.#streams.set(id, stream);
    stream.once('close', () => this.#streams.delete(id));
    const accepted = new Promise<void>((resolve, reject) => {
      this.#opened.set(id, resolve);
      stream.once('close', () => reject(new Error('the stream was refused')));
    });
    const block = await this.#writer.write(headers);
    // Stream, no associated stream, lowest priority, no slot.
    transport.write(controlFrame(SYN_STREAM, Buffer.concat([uint32(id), uint32(0), Buffer.alloc(2), block])));
    await accepted;
    return stream;
  }

  close(): void {
    this.#options.transport.end();
  }

  async #serve(): Promise<void> {
    const { transport, onClose } = this.#options;
    try {
      for await (const frame of readFrames(transport)) await this.#handle(frame);
    } catch {
      // A broken connection ends all its streams, which is what their users listen to.
    }
    this.#destroyStreams();
    this.#reader.close();
    this.#writer.close();
    transport.destroy();
    onClose();
  }

  #destroyStreams(): void {
    for (const stream of this.#streams.values()) stream.destroy();
  }

  async #handle(frame: Frame): Promise<void> {
    if (frame.data) {
      await this.#streams.get(frame.streamId)?.deliver(frame.payload, (frame.flags & FLAG_FIN) !== 0);
      return;
    }
    const id = frame.payload.readUInt32BE(0) & 0x7fffffff;
    if (frame.type === SYN_REPLY || frame.type === HEADERS) {
      await this.#reader.read(frame.payload.subarray(4));
      this.#opened.get(id)?.();
      this.#opened.delete(id);
    } else if (frame.type === RST_STREAM) {
      this.#streams.get(id)?.destroy();
    } else if (frame.type === PING && id % 2 === 0) {
      this.#options.transport.write(controlFrame(PING, frame.payload.subarray(0, 4)));
    }
  }
}
