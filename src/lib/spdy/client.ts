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
  /** Once, when the connection is over: nothing more arrives on any stream. */
  onClose?: () => void;
}

/** The client side of SPDY/3.1, as much of it as container runtimes' streaming servers speak. */
export class SpdyClient {
  readonly #options: SpdyClientOptions;
  readonly #reader = new HeaderReader();
  readonly #writer = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  /** Streams that the server has not answered yet. */
  readonly #opening = new Map<number, PromiseWithResolvers<void>>();
  #nextId = 1;
  #over = false;
  /** Header blocks share one compression: they are written one after the other. */
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(options: SpdyClientOptions) {
    this.#options = options;
    options.transport.on('error', () => options.transport.destroy());
    void this.#serve();
  }

  /** Opens a stream; resolves when the server has accepted it. */
  async open(headers: SpdyHeaders): Promise<SpdyStream> {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream({ id, headers, transport: this.#options.transport });
    this.#streams.set(id, stream);
    stream.once('close', () => this.#streams.delete(id));
    const accepted = Promise.withResolvers<void>();
    this.#opening.set(id, accepted);
    if (this.#over) this.#settle(id, 'refused');
    const sent = this.#lastWrite.then(() => this.#sendOpen(id, headers));
    this.#lastWrite = sent.catch(() => {});
    await Promise.all([sent, accepted.promise]);
    return stream;
  }

  async #sendOpen(id: number, headers: SpdyHeaders): Promise<void> {
    const block = await this.#writer.write(headers);
    // Stream, no associated stream, lowest priority, no slot.
    const payload = Buffer.concat([uint32(id), uint32(0), Buffer.alloc(2), block]);
    this.#options.transport.write(controlFrame(SYN_STREAM, payload));
  }

  /** Hangs up: what has not been read is lost. */
  close(): void {
    for (const stream of this.#streams.values()) stream.destroy();
    this.#options.transport.end();
  }

  async #serve(): Promise<void> {
    const { transport, onClose } = this.#options;
    try {
      for await (const frame of readFrames(transport)) await this.#handle(frame);
    } catch {
      // A broken connection ends all its streams, which is what their users listen to.
    }
    this.#over = true;
    for (const stream of this.#streams.values()) stream.hangUp();
    for (const id of this.#opening.keys()) this.#settle(id, 'refused');
    this.#reader.close();
    this.#writer.close();
    transport.destroy();
    onClose?.();
  }

  #settle(id: number, outcome: 'accepted' | 'refused'): void {
    const opening = this.#opening.get(id);
    this.#opening.delete(id);
    if (outcome === 'accepted') opening?.resolve();
    else opening?.reject(new Error('the stream was refused'));
  }

  async #handle(frame: Frame): Promise<void> {
    if (frame.data) {
      await this.#streams.get(frame.streamId)?.deliver(frame.payload, (frame.flags & FLAG_FIN) !== 0);
      return;
    }
    const id = frame.payload.readUInt32BE(0) & 0x7fffffff;
    if (frame.type === SYN_REPLY || frame.type === HEADERS) {
      await this.#reader.read(frame.payload.subarray(4));
      this.#settle(id, 'accepted');
    } else if (frame.type === RST_STREAM) {
      // Servers reset all streams of a session that is over; what they said before still counts.
      this.#streams.get(id)?.hangUp();
      this.#settle(id, 'refused');
    } else if (frame.type === PING && id % 2 === 0) {
      this.#options.transport.write(controlFrame(PING, frame.payload.subarray(0, 4)));
    }
  }
}
