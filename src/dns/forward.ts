import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { type Answer, decode, encode } from 'dns-packet';
import type { Clock } from '../lib/clock.ts';
import { parseIp } from '../lib/ip.ts';
import { HEADER_OCTETS } from './codes.ts';
import { readQuery } from './message.ts';
import type { DnsMetrics } from './metrics.ts';
import { keyText, type NameKey } from './name.ts';
import type { Ask, Forwarder, Proto } from './responder.ts';
import type { Section } from './section.ts';

export interface ForwarderOptions {
  /** `address` or `address:port` (`[address]:port` for IPv6), tried in this order. */
  readonly upstreams: readonly string[];
  readonly timeoutMs: number;
  /** Questions that may be under way; more fail at once. */
  readonly pendingMax: number;
  /** In [0, 1): message ids towards upstreams. */
  readonly random: () => number;
  readonly clock: Clock;
  readonly metrics: DnsMetrics;
  readonly signal: AbortSignal;
}

interface Upstream {
  readonly address: string;
  readonly port: number;
}

/** One question on its way: rejects when no valid response comes in time. */
type Exchange = (message: Buffer, upstream: Upstream, options: ForwarderOptions) => Promise<Buffer>;

const exchanges: Readonly<Record<Proto, Exchange>> = { udp: exchangeUdp, tcp: exchangeTcp };

/** Asks upstreams, one after the other. Throws a RangeError for an upstream that is no address. */
export function createAsk(options: ForwarderOptions): Ask {
  const upstreams = options.upstreams.map(parseUpstream);
  let pending = 0;
  const askEach = async (message: Buffer, proto: Proto): Promise<Buffer | undefined> => {
    for (const upstream of upstreams) {
      if (options.signal.aborted) break;
      const response = await exchanges[proto](message, upstream, options).catch(() => undefined);
      if (response) return response;
    }
    return undefined;
  };
  const ask = async (message: Buffer, proto: Proto): Promise<Buffer | undefined> => {
    const isFull = pending >= options.pendingMax;
    pending += isFull ? 0 : 1;
    const response = isFull ? undefined : await askEach(message, proto).finally(() => pending--);
    if (!response) options.metrics.forwardFailures++;
    return response;
  };
  return async (query, proto) => {
    const id = newId(options.random);
    const response = await ask(withId(query.packet, id), proto);
    return response && withId(response, query.packet.readUInt16BE(0));
  };
}

/** What the responder needs, over one way of asking. */
export function forwarderOver(ask: Ask, random: () => number): Forwarder {
  return {
    forward: ask,
    resolve: async (name, type) => {
      const query = readQuery(encodeQuestion(newId(random), name, type));
      const response = query && (await ask(query, 'tcp'));
      return response && wholeAnswers(response);
    },
  };
}

/** Throws a RangeError for what is neither `address` nor `address:port`. */
export function parseUpstream(text: string): Upstream {
  const bracketed = /^\[(.+)\]:(\d+)$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text);
  const address = bracketed?.[1] ?? text;
  const port = Number(bracketed?.[2] ?? 53);
  if (!parseIp(address) || port < 1 || port > 65_535)
    throw new RangeError(`Cannot use upstream "${text}": expected an IP address with an optional port`);
  return { address, port };
}

function newId(random: () => number): number {
  return Math.floor(random() * 65_536);
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}

function encodeQuestion(id: number, name: NameKey, type: number): Buffer {
  const message = encode({ type: 'query', id, flags: 0x0100, questions: [{ name: keyText(name), type: 'A' }] });
  message.writeUInt16BE(type, message.length - 4);
  return message;
}

/** The upstream's answers with whole names, so that they may stand behind any question; undefined for a failure. */
function wholeAnswers(response: Buffer): Section | undefined {
  if ((response[3]! & 15) !== 0) return undefined;
  try {
    const parts = (decode(response).answers ?? []).map(encodeWhole);
    const ends = parts.map((_, index) => parts.slice(0, index + 1).reduce((sum, part) => sum + part.length, 0));
    return { octets: Buffer.concat(parts), ends };
  } catch {
    // An upstream may send anything.
    return undefined;
  }
}

function encodeWhole(record: Answer): Buffer {
  return encode({ type: 'response', answers: [record] }).subarray(HEADER_OCTETS);
}

/** A response belongs to a query when id and question are the same (RFC 5452, 9.1), case aside. */
function answers(query: Buffer, response: Buffer): boolean {
  if (response.length < HEADER_OCTETS || (response[2]! & 0x80) === 0) return false;
  if (response.readUInt16BE(0) !== query.readUInt16BE(0) || response.readUInt16BE(4) !== 1) return false;
  const end = questionEnd(query);
  const [asked, given] = [query, response].map((packet) => packet.toString('latin1', HEADER_OCTETS, end).toLowerCase());
  return asked === given;
}

/** Of a query that is known to be well formed. */
function questionEnd(query: Buffer): number {
  let at = HEADER_OCTETS;
  while (query[at] !== 0) at += query[at]! + 1;
  return at + 5;
}

/** A socket of its own for each query: its port is part of what an off-path attacker has to guess. */
function exchangeUdp(message: Buffer, upstream: Upstream, options: ForwarderOptions): Promise<Buffer> {
  const socket = createSocket(isIPv6(upstream.address) ? 'udp6' : 'udp4');
  return withDeadline<Buffer>(options, (resolve, reject) => {
    socket.on('message', (response) => {
      if (answers(message, response)) resolve(response);
    });
    socket.on('error', reject);
    socket.connect(upstream.port, upstream.address, () => socket.send(message));
  }).finally(() => socket.close());
}

function exchangeTcp(message: Buffer, upstream: Upstream, options: ForwarderOptions): Promise<Buffer> {
  const socket = connect({ host: upstream.address, port: upstream.port, noDelay: true });
  return withDeadline<Buffer>(options, (resolve, reject) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length, 0);
    socket.write(Buffer.concat([length, message]));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const response = received.subarray(2, 2 + received.readUInt16BE(0));
      if (answers(message, response)) resolve(response);
      else reject(new Error('Upstream answered another question'));
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('Upstream closed the connection')));
  }).finally(() => socket.destroy());
}

type Start<T> = (resolve: (value: T) => void, reject: (reason: unknown) => void) => void;

/** Rejects after the time-out, or when everything ends. */
function withDeadline<T>({ clock, timeoutMs, signal }: ForwarderOptions, start: Start<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = () => reject(signal.reason);
  const cancel = clock.after(timeoutMs, () => reject(new Error('Upstream did not answer in time')));
  signal.addEventListener('abort', onAbort, { once: true });
  start(resolve, reject);
  return promise.finally(() => {
    cancel();
    signal.removeEventListener('abort', onAbort);
  });
}
