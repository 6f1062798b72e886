import { FLAG, HEADER_OCTETS, OPCODE_MASK, type Rcode, TYPE } from './codes.ts';
import { MAX_NAME_OCTETS, type NameKey } from './name.ts';
import type { Section } from './section.ts';

/** What a client asks, as far as answering needs it. */
export interface Query {
  /** The whole message as received; its question is echoed octet by octet. */
  readonly packet: Buffer;
  /** Where the question ends in `packet`. */
  readonly questionEnd: number;
  readonly name: NameKey;
  readonly type: number;
  readonly class: number;
  readonly edns: Edns | undefined;
}

/** RFC 6891, 6.1.2 and 6.1.3. */
export interface Edns {
  /** Largest UDP message that the client takes. */
  readonly udpOctets: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

export interface Reply {
  readonly rcode: Rcode;
  /** Further bits of {@link FLAG}. */
  readonly flags?: number;
  readonly answers?: Section;
  /** Which record of `answers` comes first; those before it follow at the end. */
  readonly first?: number;
  readonly authorities?: Section;
  readonly additionals?: Section;
  /** Largest message that may be sent. */
  readonly maxOctets: number;
}

/** Responses (QR) and what is shorter than a header are nobody's question. */
export function isQuery(packet: Buffer): boolean {
  return packet.length >= HEADER_OCTETS && (packet[2]! & 0x80) === 0;
}

export function opcodeOf(packet: Buffer): number {
  return (packet.readUInt16BE(2) & OPCODE_MASK) >> 11;
}

/** Undefined for a message with a form error: exactly one question, its name not compressed, at most one OPT record. */
export function readQuery(packet: Buffer): Query | undefined {
  if (packet.readUInt16BE(4) !== 1) return undefined;
  const nameEnd = skipLabels(packet, HEADER_OCTETS);
  if (nameEnd === undefined || packet[nameEnd] !== 0 || packet.length < nameEnd + 5) return undefined;
  const questionEnd = nameEnd + 5;
  const edns = packet.length === questionEnd && noRecords(packet) ? undefined : readEdns(packet, questionEnd);
  if (edns === null) return undefined;
  return {
    packet,
    questionEnd,
    name: packet.toString('latin1', HEADER_OCTETS, nameEnd).toLowerCase(),
    type: packet.readUInt16BE(nameEnd + 1),
    class: packet.readUInt16BE(nameEnd + 3),
    edns,
  };
}

function noRecords(packet: Buffer): boolean {
  return packet.readUInt16BE(6) === 0 && packet.readUInt32BE(8) === 0;
}

/** Where a name's plain labels end: at its final zero octet, or at a pointer. Undefined beyond the limits. */
function skipLabels(packet: Buffer, start: number): number | undefined {
  let at = start;
  for (;;) {
    const length = packet[at];
    if (length === undefined || at - start >= MAX_NAME_OCTETS) return undefined;
    if (length === 0 || length >= 0xc0) return at;
    if (length > 63) return undefined;
    at += length + 1;
  }
}

/** Null for a form error. */
function readEdns(packet: Buffer, start: number): Edns | undefined | null {
  let edns: Edns | undefined;
  const count = packet.readUInt16BE(6) + packet.readUInt16BE(8) + packet.readUInt16BE(10);
  for (let at = start, i = 0; i < count; i++) {
    const nameEnd = skipName(packet, at);
    if (nameEnd === undefined || packet.length < nameEnd + 10) return null;
    if (packet.readUInt16BE(nameEnd) === TYPE.OPT) {
      if (edns || nameEnd !== at + 1) return null;
      edns = optAt(packet, nameEnd);
    }
    at = nameEnd + 10 + packet.readUInt16BE(nameEnd + 8);
    if (at > packet.length) return null;
  }
  return edns;
}

function skipName(packet: Buffer, start: number): number | undefined {
  const end = skipLabels(packet, start);
  if (end === undefined) return undefined;
  return packet[end] === 0 ? end + 1 : end + 2;
}

function optAt(packet: Buffer, typeAt: number): Edns {
  return {
    udpOctets: packet.readUInt16BE(typeAt + 2),
    version: packet[typeAt + 5]!,
    dnssecOk: (packet[typeAt + 6]! & 0x80) !== 0,
  };
}

const NO_SECTION: Section = { octets: Buffer.alloc(0), ends: [] };
const OPT_OCTETS = 11;
/** What this server takes over UDP, and the most that it sends: fits every path without fragments. */
export const UDP_OCTETS_MAX = 1232;

/**
 * The response to a query. What does not fit is left out from the end: additional records silently, others with TC set,
 * which makes clients ask again over TCP.
 */
export function writeReply(query: Query, reply: Reply): Buffer {
  const { packet, questionEnd, edns } = query;
  const { answers = NO_SECTION, authorities = NO_SECTION, additionals = NO_SECTION } = reply;
  let room = reply.maxOctets - questionEnd - (edns ? OPT_OCTETS : 0);
  const answerCut = cut(answers, reply.first ?? 0, room);
  room -= answerCut.octets;
  const authorityCut = cut(authorities, 0, answerCut.whole ? room : 0);
  room -= authorityCut.octets;
  const whole = answerCut.whole && authorityCut.whole;
  const additionalCut = cut(additionals, 0, whole ? room : 0);

  const length = questionEnd + answerCut.octets + authorityCut.octets + additionalCut.octets + (edns ? OPT_OCTETS : 0);
  const out = Buffer.allocUnsafe(length);
  packet.copy(out, 0, 0, questionEnd);
  const copied = packet.readUInt16BE(2) & (FLAG.RD | FLAG.CD | OPCODE_MASK);
  out.writeUInt16BE(FLAG.QR | copied | (reply.flags ?? 0) | (whole ? 0 : FLAG.TC) | (reply.rcode & 15), 2);
  out.writeUInt16BE(answerCut.count, 6);
  out.writeUInt16BE(authorityCut.count, 8);
  out.writeUInt16BE(additionalCut.count + (edns ? 1 : 0), 10);
  let at = copySection(out, questionEnd, answers, answerCut);
  at = copySection(out, at, authorities, authorityCut);
  at = copySection(out, at, additionals, additionalCut);
  if (edns) writeOpt(out, at, edns, reply.rcode);
  return out;
}

/** A header alone, for messages whose question cannot be read. */
export function writeError(packet: Buffer, rcode: Rcode): Buffer {
  const out = Buffer.alloc(HEADER_OCTETS);
  packet.copy(out, 0, 0, 2);
  out.writeUInt16BE(FLAG.QR | (packet.readUInt16BE(2) & (OPCODE_MASK | FLAG.RD)) | rcode, 2);
  return out;
}

/** Whole records that fit, from `first` on and then round to it. */
interface Cut {
  readonly first: number;
  readonly count: number;
  readonly octets: number;
  readonly whole: boolean;
}

function cut(section: Section, first: number, room: number): Cut {
  const { octets, ends } = section;
  if (octets.length <= room) return { first, count: ends.length, octets: octets.length, whole: true };
  let used = 0;
  let count = 0;
  for (; count < ends.length; count++) {
    const size = recordSize(ends, (first + count) % ends.length);
    if (used + size > room) break;
    used += size;
  }
  return { first, count, octets: used, whole: false };
}

function recordSize(ends: readonly number[], index: number): number {
  return ends[index]! - (index === 0 ? 0 : ends[index - 1]!);
}

function copySection(out: Buffer, at: number, { octets, ends }: Section, { first, octets: used }: Cut): number {
  const start = first === 0 ? 0 : ends[first - 1]!;
  const head = Math.min(used, octets.length - start);
  octets.copy(out, at, start, start + head);
  octets.copy(out, at + head, 0, used - head);
  return at + used;
}

/** RFC 6891, 6.1.2. The DO bit is given back (RFC 3225, 3). */
function writeOpt(out: Buffer, at: number, edns: Edns, rcode: Rcode): void {
  out[at] = 0;
  out.writeUInt16BE(TYPE.OPT, at + 1);
  out.writeUInt16BE(UDP_OCTETS_MAX, at + 3);
  out[at + 5] = rcode >> 4;
  out[at + 6] = 0;
  out.writeUInt16BE(edns.dnssecOk ? 0x8000 : 0, at + 7);
  out.writeUInt16BE(0, at + 9);
}

/** The most that may be sent in answer to `query` over UDP: 512 octets unless EDNS says more (RFC 6891, 6.2.5). */
export function udpLimit(query: Query): number {
  return Math.min(UDP_OCTETS_MAX, Math.max(512, query.edns?.udpOctets ?? 512));
}

export const TCP_OCTETS_MAX = 65_535;
