import { HEADER_OCTETS } from './codes.ts';

/** Where a record of a response stands. */
export interface ResponseRecord {
  readonly section: 'answer' | 'authority' | 'additional';
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  readonly ttlAt: number;
  /** Behind the record's last octet. */
  readonly end: number;
}

/** The records of a response with one question; undefined for a message with a form error. */
export function recordsOf(response: Buffer): ResponseRecord[] | undefined {
  if (response.length < HEADER_OCTETS || response.readUInt16BE(4) !== 1) return undefined;
  let at = endOfName(response, HEADER_OCTETS);
  if (at === undefined) return undefined;
  at += 4;
  const records: ResponseRecord[] = [];
  for (const [section, count] of counts(response)) {
    for (let i = 0; i < count; i++) {
      const record = recordAt(response, at, section);
      if (!record) return undefined;
      records.push(record);
      at = record.end;
    }
  }
  return records;
}

function counts(response: Buffer): [ResponseRecord['section'], number][] {
  return [
    ['answer', response.readUInt16BE(6)],
    ['authority', response.readUInt16BE(8)],
    ['additional', response.readUInt16BE(10)],
  ];
}

function recordAt(response: Buffer, start: number, section: ResponseRecord['section']): ResponseRecord | undefined {
  const at = endOfName(response, start);
  if (at === undefined || at + 10 > response.length) return undefined;
  const end = at + 10 + response.readUInt16BE(at + 8);
  if (end > response.length) return undefined;
  return { section, type: response.readUInt16BE(at), ttl: response.readUInt32BE(at + 4), ttlAt: at + 4, end };
}

function endOfName(response: Buffer, start: number): number | undefined {
  for (let at = start; ; ) {
    const length = response[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) return at + 2;
    if (length === 0) return at + 1;
    at += length + 1;
  }
}
