/** Numbers of the DNS that are used here (IANA "Domain Name System Parameters"). */
export const TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, ANY: 255 } as const;

export const CLASS = { IN: 1, ANY: 255 } as const;

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Extended by EDNS: its upper bits stand in the OPT record (RFC 6891, 6.1.3). */
  BADVERS: 16,
} as const;

export type Rcode = (typeof RCODE)[keyof typeof RCODE];

/** Bits of the header's second pair of octets (RFC 1035, 4.1.1; RFC 4035, 3.2). */
export const FLAG = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, CD: 0x0010 } as const;

/** The four bits that say what kind of query it is, in place. */
export const OPCODE_MASK = 0x7800;

export const HEADER_OCTETS = 12;
