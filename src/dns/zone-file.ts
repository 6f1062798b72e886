import { type Answer, type DecodedPacket, decode } from 'dns-packet';
import { FLAG } from './codes.ts';

/**
 * A response as a zone file would write it, one line a record under a line for the code and the flags:
 *
 *     NOERROR aa
 *     web.default.svc.cluster.local. 5 IN A 10.96.0.7
 *
 * Records of the authority and additional sections stand under `;; AUTHORITY` and `;; ADDITIONAL`.
 */
export function formatResponse(response: Buffer): string {
  const packet = decode(response);
  const flags = Object.entries(FLAG).filter(([name, bit]) => !['QR', 'RD', 'CD'].includes(name) && packet.flags! & bit);
  const head = [rcodeText(packet), ...flags.map(([name]) => name.toLowerCase())].join(' ');
  return [
    head,
    ...(packet.answers ?? []).map(formatRecord),
    ...section('AUTHORITY', packet.authorities),
    ...section('ADDITIONAL', packet.additionals),
  ].join('\n');
}

/** `rcode` is there although the type of a decoded packet leaves it out; extended codes stand in OPT. */
function rcodeText(packet: DecodedPacket): string {
  const opt = packet.additionals?.find((record) => record.type === 'OPT');
  return opt?.type === 'OPT' && opt.extendedRcode === 1 ? 'BADVERS' : (packet as { rcode?: string }).rcode!;
}

function section(title: string, records: readonly Answer[] = []): string[] {
  return records.length === 0 ? [] : [`;; ${title}`, ...records.map(formatRecord)];
}

function formatRecord(record: Answer): string {
  if (record.type === 'OPT') return `OPT ${record.udpPayloadSize}${record.flag_do ? ' do' : ''}`;
  return `${dotted(record.name)} ${record.ttl} ${record.class ?? 'IN'} ${record.type} ${formatData(record)}`;
}

function formatData(record: Exclude<Answer, { type: 'OPT' }>): string {
  switch (record.type) {
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return dotted(record.data);
    case 'SRV':
      return `${record.data.priority} ${record.data.weight} ${record.data.port} ${dotted(record.data.target)}`;
    case 'SOA':
      return formatSoa(record.data);
    case 'TXT':
      return [record.data]
        .flat()
        .map((text) => JSON.stringify(String(text)))
        .join(' ');
    default:
      return String(record.data);
  }
}

function formatSoa(soa: Extract<Answer, { type: 'SOA' }>['data']): string {
  const numbers = [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum];
  return [dotted(soa.mname), dotted(soa.rname), ...numbers].join(' ');
}

function dotted(name: string): string {
  return name === '.' ? name : `${name}.`;
}
