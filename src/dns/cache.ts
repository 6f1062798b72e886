import type { Clock } from '../lib/clock.ts';
import { HEADER_OCTETS, RCODE, TYPE } from './codes.ts';
import type { Query } from './message.ts';
import type { DnsMetrics } from './metrics.ts';
import type { Ask, Proto } from './responder.ts';
import { type ResponseRecord, recordsOf } from './response.ts';

export interface CacheOptions {
  readonly clock: Clock;
  readonly metrics: DnsMetrics;
  /** @default 10000 */
  readonly entriesMax?: number;
}

const ENTRIES_MAX = 10_000;
/** However long an upstream would have answers kept. */
const POSITIVE_SECONDS_MAX = 3600;
const NEGATIVE_SECONDS_MAX = 300;
/** RFC 8767, 5: how long an answer may be used after its time while no upstream answers, and what is said of it then. */
const STALE_SECONDS_MAX = 86_400;
const STALE_TTL_SECONDS = 30;

interface Entry {
  readonly response: Buffer;
  readonly records: readonly ResponseRecord[];
  readonly storedMs: number;
  readonly ttlSeconds: number;
}

/** Remembers what `ask` answers, absence included (RFC 2308), and falls back on it when no answer comes (RFC 8767). */
export function cached(ask: Ask, options: CacheOptions): Ask {
  const { clock, metrics, entriesMax = ENTRIES_MAX } = options;
  const entries = new Map<string, Entry>();
  const underWay = new Map<string, Promise<Buffer | undefined>>();
  const refresh = async (key: string, query: Query, proto: Proto): Promise<Buffer | undefined> => {
    const response = await ask(query, proto);
    const entry = response && toEntry(response, clock.now());
    if (entry) remember(entries, { key, entry, max: entriesMax });
    return response;
  };
  return async (query, proto) => {
    const key = keyOf(query, proto);
    const entry = entries.get(key);
    const age = entry ? (clock.now() - entry.storedMs) / 1000 : 0;
    if (entry && age < entry.ttlSeconds) {
      metrics.cacheHits++;
      remember(entries, { key, entry, max: entriesMax });
      return reply(entry, query, (ttl) => Math.max(0, ttl - Math.floor(age)));
    }
    metrics.cacheMisses++;
    // Many who ask the same at once are one question.
    const running = underWay.get(key) ?? refresh(key, query, proto).finally(() => underWay.delete(key));
    underWay.set(key, running);
    const response = await running;
    if (response && rcodeOf(response) !== RCODE.SERVFAIL) return withQuestion(response, query);
    if (!entry || age > entry.ttlSeconds + STALE_SECONDS_MAX) return response && withQuestion(response, query);
    metrics.cacheStale++;
    return reply(entry, query, () => STALE_TTL_SECONDS);
  };
}

/** Everything that an answer depends on besides the letters' case: flags, EDNS, and what fits the transport. */
function keyOf({ packet, name, type, class: kind, edns }: Query, proto: Proto): string {
  const bits = packet.readUInt16BE(2) & 0x0130;
  const extended = edns ? `${edns.udpOctets} ${edns.dnssecOk}` : '';
  return `${proto} ${type} ${kind} ${bits} ${extended} ${name}`;
}

/** Newest last, so that the first is who was not used for longest. */
function remember(entries: Map<string, Entry>, { key, entry, max }: { key: string; entry: Entry; max: number }): void {
  entries.delete(key);
  entries.set(key, entry);
  if (entries.size > max) entries.delete(entries.keys().next().value!);
}

/** Undefined for what must not be kept: failures, cut answers, and absence without an SOA record. */
function toEntry(response: Buffer, storedMs: number): Entry | undefined {
  const records = recordsOf(response);
  const isCut = (response[2]! & 0x02) !== 0;
  if (!records || isCut) return undefined;
  const ttlSeconds = lifetime(response, records);
  return ttlSeconds ? { response, records, storedMs, ttlSeconds } : undefined;
}

function lifetime(response: Buffer, records: readonly ResponseRecord[]): number | undefined {
  const rcode = rcodeOf(response);
  const answers = records.filter(({ section }) => section === 'answer');
  if (rcode === RCODE.NOERROR && answers.length > 0) {
    return Math.min(POSITIVE_SECONDS_MAX, ...answers.map(({ ttl }) => ttl));
  }
  const soa = records.find(({ section, type }) => section === 'authority' && type === TYPE.SOA);
  if (!soa || (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN)) return undefined;
  const minimum = response.readUInt32BE(soa.end - 4);
  return Math.min(NEGATIVE_SECONDS_MAX, soa.ttl, minimum);
}

function rcodeOf(response: Buffer): number {
  return response[3]! & 15;
}

function reply({ response, records }: Entry, query: Query, ttlOf: (ttl: number) => number): Buffer {
  const copy = withQuestion(response, query);
  for (const { type, ttl, ttlAt } of records) if (type !== TYPE.OPT) copy.writeUInt32BE(ttlOf(ttl), ttlAt);
  return copy;
}

/** A copy with the id and the letters of this query. */
function withQuestion(response: Buffer, { packet, questionEnd }: Query): Buffer {
  const copy = Buffer.from(response);
  packet.copy(copy, 0, 0, 2);
  packet.copy(copy, HEADER_OCTETS, HEADER_OCTETS, questionEnd);
  return copy;
}
