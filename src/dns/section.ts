import { encode } from 'dns-packet';
import { HEADER_OCTETS } from './codes.ts';
import { firstLabel, type NameKey, parentKey } from './name.ts';
import type { DnsRecord, Srv } from './records.ts';

/** Encoded records, one behind the other; `ends` says where each one ends, so that they can be rotated or cut. */
export interface Section {
  readonly octets: Buffer;
  readonly ends: readonly number[];
}

/** A record as it goes into a section. */
export type Target =
  | { readonly owner: NameKey; readonly type: Exclude<DnsRecord['type'], 'SRV'>; readonly data: string }
  | { readonly owner: NameKey; readonly type: 'SRV'; readonly data: Srv };

/** RFC 1035, 3.3.13. */
export interface Soa {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** How long a negative answer may be kept, in seconds (RFC 2308, 4). */
  readonly minimum: number;
}

const POINTER = 0xc000;
const QUESTION_POINTER = Buffer.from([POINTER >> 8, HEADER_OCTETS]);

/**
 * Encodes records for messages whose question is `question`. Owner names point into the question, which always begins
 * right behind the header: so the octets fit any such message, and names come back in the letters they were asked with.
 */
export function writeSection(question: NameKey, records: readonly Target[], ttlSeconds: number): Section {
  const parts: Buffer[] = [];
  const ends: number[] = [];
  let end = 0;
  for (const record of records) {
    const owner = compressName(question, record.owner);
    const rest = encodeBehindName({ ...record, name: '.', ttl: ttlSeconds });
    parts.push(owner, rest);
    end += owner.length + rest.length;
    ends.push(end);
  }
  return { octets: Buffer.concat(parts), ends };
}

/** Everything of an SOA record but its owner. */
export function encodeSoa(soa: Soa): Buffer {
  return encodeBehindName({ type: 'SOA', name: '.', ttl: soa.minimum, data: soa });
}

/** The SOA record of zone `apex` as it stands in answers to `question`. */
export function soaSection(question: NameKey, apex: NameKey, soa: Buffer): Section {
  const octets = Buffer.concat([compressName(question, apex), soa]);
  return { octets, ends: [octets.length] };
}

/** Joins sections that belong to the same question. */
export function concatSections(sections: readonly Section[]): Section {
  const ends: number[] = [];
  let start = 0;
  for (const section of sections) {
    for (const end of section.ends) ends.push(start + end);
    start += section.octets.length;
  }
  return { octets: Buffer.concat(sections.map((section) => section.octets)), ends };
}

type Encodable = NonNullable<NonNullable<Parameters<typeof encode>[0]['answers']>[number]>;

/** Type, class, TTL, length and data: the record is encoded under the root, whose name is one octet. */
function encodeBehindName(record: Encodable): Buffer {
  return encode({ type: 'response', answers: [record] }).subarray(HEADER_OCTETS + 1);
}

/** The labels that `name` has before it ends as the question ends, then a pointer to that end (RFC 1035, 4.1.4). */
function compressName(question: NameKey, name: NameKey): Buffer {
  if (name === question) return QUESTION_POINTER;
  const suffix = commonSuffix(question, name);
  const head = name.slice(0, name.length - suffix.length);
  if (suffix === '') return Buffer.from(`${head}\0`, 'latin1');
  const buffer = Buffer.alloc(head.length + 2);
  buffer.write(head, 'latin1');
  buffer.writeUInt16BE(POINTER | (HEADER_OCTETS + question.length - suffix.length), head.length);
  return buffer;
}

/** The longest run of whole labels that both names end with. */
function commonSuffix(a: NameKey, b: NameKey): NameKey {
  const [left, right] = [labelsOf(a), labelsOf(b)];
  let length = 0;
  for (let i = 1; i <= Math.min(left.length, right.length) && left.at(-i) === right.at(-i); i++)
    length += left.at(-i)!.length + 1;
  return a.slice(a.length - length);
}

function labelsOf(key: NameKey): string[] {
  const labels: string[] = [];
  for (let rest: NameKey | undefined = key; rest; rest = parentKey(rest)) labels.push(firstLabel(rest));
  return labels;
}
